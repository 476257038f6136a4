"""HTTP to and from presigned URLs, in pieces: a slow line is no failure, and a stopping agent does not wait."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

PIECE = 16 * 1024
TIMEOUT = 20.0
"""Seconds without any progress."""


class Refused(Exception):
    """The server refused the request; another URL may be accepted."""


class Unavailable(Exception):
    """No response, or a temporary error: try again."""


class Stopped(Exception):
    """The agent stops; for a `check` to raise."""


class Http:
    """`check` is called between pieces; what it raises ends the transfer."""

    def __init__(self, tls: ssl.SSLContext, check: Callable[[], None]) -> None:
        self.bytes_sent = self.bytes_received = 0  # bodies
        self._tls, self._check = tls, check

    def put(self, url: str, headers: dict[str, str], data: bytes) -> None:
        """PUT with exactly these headers; raises Refused or Unavailable."""
        length = {} if any(name.lower() == "content-length" for name in headers) else {"Content-Length": str(len(data))}
        self._exchange("PUT", url, {**headers, **length}, self._outgoing(data), lambda _status, _pieces: None)

    def get(self, url: str, path: Path, size: int) -> None:
        """Download `size` bytes to `path`, continuing where an earlier attempt ended; raises as `put`."""
        start = path.stat().st_size if path.exists() else 0
        if start >= size:
            return
        headers = {"Range": f"bytes={start}-"} if start else {}

        def save(status: int, pieces: Iterator[bytes]) -> None:
            with path.open("ab" if status == http.client.PARTIAL_CONTENT else "wb") as file:
                for piece in pieces:
                    file.write(piece)
                    if file.tell() > size:
                        raise Refused(f"longer than {size} bytes")

        self._exchange("GET", url, headers, None, save)
        if (found := path.stat().st_size) < size:
            raise Unavailable(f"ended after {found} of {size} bytes")

    def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Iterator[bytes] | None,
        use: Callable[[int, Iterator[bytes]], None],
    ) -> None:
        try:
            connection, target = self._connection(url)
            try:
                connection.request(method, target, body, headers)
                response = connection.getresponse()
                _check(response)
                use(response.status, self._incoming(response))
            finally:
                connection.close()
        except (ValueError, http.client.InvalidURL) as error:  # a URL or a header that HTTP does not allow
            raise Refused(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    def _connection(self, url: str) -> tuple[http.client.HTTPConnection, str]:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refused("not an HTTP address")
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=self._tls), target
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT), target

    def _outgoing(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), PIECE):
            self._check()
            yield data[start : start + PIECE]
            self.bytes_sent += len(data[start : start + PIECE])

    def _incoming(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        while piece := response.read(PIECE):
            self._check()
            self.bytes_received += len(piece)
            yield piece


def _check(response: http.client.HTTPResponse) -> None:
    if response.status in {200, 201, 204, 206}:
        return
    reason = f"{response.status} {response.reason}"
    if response.status >= 500 or response.status in {408, 425, 429}:
        raise Unavailable(reason)
    raise Refused(reason)
