"""Check whether a server on this machine is ready, without the proxies and certificates of the environment."""

import http.client


def http_ok(port: int, path: str, timeout: float = 10) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
