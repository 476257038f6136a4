"""A real HTTP server that stands in for object storage, and can be told to misbehave."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Web:
    """What it holds by path, what it was asked, and what is to go wrong with the next requests."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers
    statuses: list[int] = field(default_factory=list)  # of the next answers, before all goes well again
    cut: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    changed: threading.Condition = field(default_factory=threading.Condition)
    spoil: int = 0  # of the next answers: the right size, the wrong bytes
    on_put: Any = None  # called with path and bytes

    def asked(self, method: str) -> list[tuple[str, dict[str, str]]]:
        return [(path, headers) for verb, path, headers in list(self.requests) if verb == method]


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def log_message(self, *_args: Any) -> None:
        pass

    def _status(self) -> int | None:
        web = self.server.web
        with web.changed:
            headers = {name.lower(): value for name, value in self.headers.items()}
            web.requests.append((self.command, self.path, headers))
            web.changed.notify_all()
            return web.statuses.pop(0) if web.statuses else None

    def do_PUT(self) -> None:
        length = int(self.headers["Content-Length"])
        data = self.rfile.read(length)
        if len(data) < length:
            self.close_connection = True  # the sender left in the middle
            return
        status = self._status()
        if status is None:
            self.server.web.objects[self.path] = data
            if self.server.web.on_put:
                self.server.web.on_put(self.path, data)
        self._answer(status or 200, b"")

    def do_GET(self) -> None:
        status = self._status()
        data = self.server.web.objects.get(self.path)
        if status or data is None:
            self._answer(status or 404, b"no")
            return
        if self.server.web.spoil:
            self.server.web.spoil -= 1
            data = bytes(len(data))
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self._answer(206 if start else 200, data[start:])

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        cut = self.server.web.cut.pop(0) if self.server.web.cut and data else None
        self.wfile.write(data[:cut])
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    web: Web


@contextmanager
def serving() -> Iterator[Web]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.web = Web(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.web
        finally:
            server.shutdown()
            thread.join()
