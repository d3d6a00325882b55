"""A hub over HTTP that speaks as much of the real one's language as its libraries need.

Datasets are served; models that are uploaded are written to `models/<owner>/<name>/<files>`.

Run as a program: `python fake_hub.py FOLDER PORT_FILE`. FOLDER holds `<owner>/<name>/<files>`, at
the commit in `<owner>/<name>.commit`, be it a data set or a model; a file `<owner>/<name>.gated`
closes it to those who have not accepted a licence. Everything else is answered with 404.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse


class Hub(BaseHTTPRequestHandler):
    root: Path

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.answer(self.rfile.read(length))

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, body: bytes = b"") -> None:
        parts = [unquote(part) for part in urlparse(self.path).path.strip("/").split("/")]
        match parts:
            case ["api", "datasets", owner, name, *rest]:
                self.api(f"{owner}/{name}", rest, body)
            case ["api", "repos", "create"]:
                self.create(json.loads(body))
            case ["api", "validate-yaml"]:
                self.json({"errors": [], "warnings": []})
            case ["api", "models", owner, name, *rest]:
                self.model(f"{owner}/{name}", rest, body)
            case ["datasets", owner, name, "resolve", _, *path]:
                self.file(f"{owner}/{name}", "/".join(path))
            case [owner, name, "resolve", _, *path]:
                self.file(f"{owner}/{name}", "/".join(path))
            case _:
                self.send(404, b"{}")

    def api(self, dataset: str, rest: list[str], body: bytes) -> None:
        commit = self.root / f"{dataset}.commit"
        if (self.root / f"{dataset}.gated").is_file():
            self.send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            return
        if not commit.is_file():
            self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        sha = commit.read_text().strip()
        entries = [self.entry(dataset, path) for path in self.files(dataset)]
        match rest:
            case [] | ["revision", _]:
                siblings = [{"rfilename": entry["path"]} for entry in entries]
                self.json({"id": dataset, "sha": sha, "siblings": siblings, "private": False})
            case ["tree", _, *inside]:
                prefix = "".join(f"{part}/" for part in inside)
                self.json([entry for entry in entries if entry["path"].startswith(prefix)])
            case ["paths-info", _]:
                asked = self.asked(body)
                self.json([entry for entry in entries if entry["path"] in asked])
            case _:
                self.send(404, b"{}")

    # --- uploads: `api/models/*/preupload` and `commit`, as huggingface_hub sends them ---

    def create(self, asked: Mapping[str, Any]) -> None:
        if self.headers.get("Authorization") != "Bearer hf_right":
            self.send(401, b'{"error": "Invalid username or password."}')
            return
        name = "/".join(one for one in (asked.get("organization"), asked["name"]) if one)
        (self.root / "models" / name).mkdir(parents=True, exist_ok=True)
        self.json({"url": f"http://{self.headers['Host']}/{name}", "name": name, "id": "0"})

    def model(self, name: str, rest: list[str], body: bytes) -> None:
        folder = self.root / "models" / name
        match rest:
            case ["preupload", _]:
                asked = json.loads(body)["files"]
                modes = [{"path": one["path"], "uploadMode": "regular"} for one in asked]
                self.json({"files": [{**one, "shouldIgnore": False} for one in modes]})
            case ["commit", _]:
                for line in body.decode().splitlines():
                    self.written(folder, json.loads(line))
                where = f"http://{self.headers['Host']}/{name}/commit/{'0' * 40}"
                self.json({"commitUrl": where, "commitOid": "0" * 40, "success": True})
            case _ if folder.is_dir():
                self.json({"id": name, "sha": "0" * 40, "siblings": [], "private": False})
            case _:
                self.api(name, rest, body)

    def written(self, folder: Path, line: Mapping[str, Any]) -> None:
        if line["key"] == "file":
            place = folder / line["value"]["path"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(base64.b64decode(line["value"]["content"]))

    def asked(self, body: bytes) -> list[str]:
        text = body.decode()
        return json.loads(text)["paths"] if text.startswith("{") else parse_qs(text)["paths"]

    def files(self, dataset: str) -> list[str]:
        folder = self.root / dataset
        return [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file()]

    def entry(self, dataset: str, path: str) -> dict[str, Any]:
        raw = (self.root / dataset / path).read_bytes()
        oid = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
        return {"type": "file", "path": path, "size": len(raw), "oid": oid}

    def file(self, dataset: str, path: str) -> None:
        place = self.root / dataset / path
        if not place.is_file():
            self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        raw = place.read_bytes()
        commit = (self.root / f"{dataset}.commit").read_text().strip()
        oid = self.entry(dataset, path)["oid"]
        self.send(200, raw, {"ETag": f'"{oid}"', "X-Repo-Commit": commit})

    def json(self, value: object) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main() -> None:
    Hub.root = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Path(sys.argv[2]).write_text(str(server.server_address[1]))
    server.serve_forever()


if __name__ == "__main__":
    main()
