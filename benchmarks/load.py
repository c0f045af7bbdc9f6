"""A client in a process of its own: so many connections one request after another, or a fixed rate of requests.

Only the standard library, so that it takes as little of the machine as it can. At a fixed rate the time of a request
counts from when it was to be sent, though it may have had to wait for a connection (no "coordinated omission").

    python benchmarks/load.py JOB.json     writes what was found to stdout as JSON
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter, deque
from pathlib import Path

WARM, LEFT = 2.0, 30.0


class Link:
    """A connection that is kept, and the request that is under way on it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun, self.have = 0.0, b""

    def ask(self, request, begun):
        self.begun, self.have = begun, b""
        self.socket.sendall(request)

    def answered(self):
        """Read what is there; return the status once the answer is whole, else 0."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server closed the connection")
        self.have += part
        head, end, body = self.have.partition(b"\r\n\r\n")
        if not end:
            return 0
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head[9:12]) if len(body) >= length else 0


def closed(port, requests, connections, seconds):
    """Keep every connection busy, and return when each answer came and how long it took."""
    found, statuses, turn = [], Counter(), 0
    with selectors.DefaultSelector() as selector:
        now = time.perf_counter
        end = now() + WARM + seconds
        counted = end - seconds
        for _ in range(connections):
            link = Link(port)
            selector.register(link.socket, selectors.EVENT_READ, link)
            link.ask(requests[turn % len(requests)], now())
            turn += 1
        while (at := now()) < end:
            for key, _ in selector.select(timeout=end - at):
                link = key.data
                status = link.answered()
                if status:
                    at = now()
                    if link.begun >= counted:
                        found.append(at - link.begun)
                        statuses[status] += 1
                    link.ask(requests[turn % len(requests)], at)
                    turn += 1
        hung_up(selector)
    return found, statuses, seconds


def opened(port, requests, connections, seconds, rate):
    """Send requests at a fixed rate, whatever the server does."""
    found, statuses = [], Counter()
    with selectors.DefaultSelector() as selector:
        now = time.perf_counter
        free = deque(Link(port) for _ in range(connections))
        for link in free:
            selector.register(link.socket, selectors.EVENT_READ, link)
        begun, total, sent, done = now() + 0.1, round((WARM + seconds) * rate), 0, 0
        while done < total and now() < begun + WARM + seconds + LEFT:
            while sent < total and free and begun + sent / rate <= now():
                free.popleft().ask(requests[sent % len(requests)], begun + sent / rate)
                sent += 1
            wait = begun + sent / rate - now() if sent < total and free else 1.0
            for key, _ in selector.select(timeout=max(0.0, wait)):
                link = key.data
                status = link.answered()
                if status:
                    done += 1
                    free.append(link)
                    if link.begun >= begun + WARM:
                        found.append(now() - link.begun)
                        statuses[status] += 1
        hung_up(selector)
    return found, statuses, seconds


def hung_up(selector):
    """Close all connections."""
    for key in list(selector.get_map().values()):
        key.data.socket.close()


def summary(found, statuses, seconds):
    """Return rates, and times in milliseconds."""
    found = sorted(found)

    def at(share):
        return round(1000 * found[min(len(found) - 1, int(share * len(found)))], 3)

    times = {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "slowest": round(1000 * found[-1], 3)}
    failed = sum(count for status, count in statuses.items() if status != 200)
    return {"requests": len(found), "per_second": round(len(found) / seconds, 1), "failed": failed} | times


def request_of(path, body):
    """Return a request as it is sent."""
    kind = "Content-Type: application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body.encode()


def main(job):
    requests = [request_of(job["path"], body) for body in job["bodies"]]
    given = (job["port"], requests, job["connections"], job["seconds"])
    print(json.dumps(summary(*(opened(*given, job["rate"]) if job.get("rate") else closed(*given)))))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
