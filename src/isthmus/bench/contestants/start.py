"""How long a process takes that runs one line of Python, from start to end."""

import json
import platform
import resource
import subprocess
import sys
import time


def main():
    asked = json.load(sys.stdin)
    seconds = []
    # The first run reads files from the disk.
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", asked["option"]], capture_output=True, text=True, check=False)
        seconds.append(time.perf_counter() - start)
        if done.returncode:
            raise SystemExit(done.stderr)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    peak = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / scale, 1)
    found = {"rates": [1 / t for t in seconds[1:]], "first": seconds[0], "peak MiB": peak, "note": asked["option"]}
    print(json.dumps(found | {"versions": {"python": platform.python_version()}}))


if __name__ == "__main__":
    main()
