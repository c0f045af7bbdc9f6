"""A Hugging Face Hub of one's own, on this machine: the few routes that pushing and pulling a model use."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

COMMIT = "0" * 39 + "1"


def sha(content):
    return hashlib.sha1(content).hexdigest()


class Hub(ThreadingHTTPServer):
    """Repositories by name, each a dictionary of files; ``asked`` are the requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.asked, self.refusing = {}, [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers as the Hub does."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), "Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def begun(self):
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.refusing:
            self.answer({"error": "no"}, self.server.refusing)
            return None, None
        return [part for part in unquote(urlparse(self.path).path).split("/") if part], body

    def do_POST(self):
        place, body = self.begun()
        if place is None:
            return
        if place == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            self.answer({"url": f"{self.server.address}/{name}", "name": name})
        elif place == ["api", "validate-yaml"]:
            self.answer({"errors": [], "warnings": []})
        elif place[4] == "preupload":
            files = json.loads(body)["files"]
            self.answer(
                {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]}
            )
        elif place[4] == "commit":
            files = self.server.repositories[f"{place[2]}/{place[3]}"]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer(
                {
                    "success": True,
                    "commitOid": COMMIT,
                    "commitUrl": f"{self.server.address}/{place[2]}/{place[3]}/commit/{COMMIT}",
                }
            )
        else:
            self.answer({"error": "not found"}, 404)

    def do_GET(self):
        place, _ = self.begun()
        if place is None:
            return
        api = place[:2] == ["api", "models"]
        name = "/".join(place[2:4] if api else place[:2])
        files = self.server.repositories.get(name)
        if files is None:
            self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        elif api and "tree" in place:
            self.answer([{"type": "file", "path": path, "size": len(c), "oid": sha(c)} for path, c in files.items()])
        elif api:
            self.answer({"id": name, "sha": COMMIT, "siblings": [{"rfilename": path} for path in files]})
        else:
            content = files["/".join(place[4:])]
            self.answer(content, ETag=f'"{sha(content)}"', X_Repo_Commit=COMMIT)

    do_HEAD = do_GET
