"""The client of the control API: how commands reach a Strop that runs elsewhere, and what they report when it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote
from urllib.request import proxy_bypass

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from strop_cli import access
from strop_contracts import control, errors

_TIMEOUT = httpx.Timeout(120, connect=10)  # seconds; more than that of the gateway, which names the slow service

T = TypeVar("T")


def connect(url: str, **options: Any) -> httpx.Client:
    """Return a client for requests to the host of a URL; it uses the proxies and certificates of the environment."""
    try:
        # Without this, a proxy that cannot be used would also fail requests that NO_PROXY excepts from it.
        trusted = not proxy_bypass(httpx.URL(url).host)
        return httpx.Client(verify=httpx.create_ssl_context(), trust_env=trusted, **options)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise _no_url(url, error) from None
    except (ValueError, ImportError, OSError) as error:  # of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE
        raise errors.Refused(f"the proxy or the certificates of the environment cannot be used: {error}") from None


def _no_url(url: str, error: Exception) -> errors.Refused:
    return errors.Refused(f"{url} is not a URL, such as https://strop.example.org: {error}")


class Api:
    """Calls the control routes of services. Each failure is a StropError of one line with what to do about it."""

    def __init__(self, where: access.Access, transport: httpx.BaseTransport | None = None) -> None:
        self._url = where.url.rstrip("/")
        headers = {"Authorization": f"Bearer {where.token}"}
        self._client = connect(self._url, base_url=self._url, headers=headers, timeout=_TIMEOUT, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, answer: type[T], service: str, /, *path: object, **query: str | None) -> T:
        """Read a document, or a list of documents."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._read(answer, self._send("GET", service, path, params=given))

    def send(self, method: str, answer: type[T], service: str, /, *path: object, body: BaseModel | None = None) -> T:
        """Change something; returns the document of the response."""
        return self._read(answer, self._send(method, service, path, json=body and body.model_dump(mode="json")))

    def change(self, method: str, service: str, *path: object, body: BaseModel | None = None) -> None:
        """Change something; the response is empty."""
        self._send(method, service, path, json=body and body.model_dump(mode="json"))

    def ready(self) -> dict[str, bool]:
        """Return what the process at the address needs, and whether it is there: the database, and each service's own needs."""
        return self._read(dict[str, bool], self._request("GET", "/readyz"))

    def _send(self, method: str, service: str, path: tuple[object, ...], **options: Any) -> httpx.Response:
        parts = [str(part) for part in path]
        if wrong := [part for part in parts if part in {"", ".", ".."}]:
            raise errors.NotFound(f"{wrong[0]!r} is not the name of a project: there is none")
        escaped = [quote(part, safe="") for part in parts]
        response = self._request(method, "/".join([control.PREFIX, service, *escaped]), **options)
        if response.is_success:
            return response
        raise _problem(self._url, response)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **options)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise _no_url(self._url, error) from None
        except (httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError) as error:
            reason = str(error) or type(error).__name__
            raise errors.StropError(
                f"no response from {self._url} ({reason}): check STROP_URL, and whether the request was carried out"
            ) from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise errors.StropError(
                f"cannot reach Strop at {self._url} ({reason}): is it running, and is STROP_URL right?"
            ) from None

    def _read(self, answer: type[T], response: httpx.Response) -> T:
        try:
            return TypeAdapter(answer).validate_json(response.content)
        except ValidationError:
            raise errors.StropError(
                f"the response of {self._url} is not one of Strop: check STROP_URL, and that both have the same version"
            ) from None


@contextmanager
def opened(state: Path | None) -> Iterator[Api]:
    """Open the control API of the platform of a `--state` folder, the environment or `strop login`."""
    with Api(access.find(state)) as api:
        yield api


def _problem(url: str, response: httpx.Response) -> errors.StropError:
    """Return the error that a response with a status of 3xx, 4xx or 5xx reports."""
    detail, status = _detail(response), response.status_code
    if status == 404 and detail and detail != "Not Found":  # FastAPI's own for an unknown path
        return errors.NotFound(detail)
    if status in {409, 422} and detail:
        return errors.Refused(detail)
    return errors.StropError(_advice(url, response, detail))


def _advice(url: str, response: httpx.Response, detail: str | None) -> str:
    status = response.status_code
    if status == 401:
        new = "create one with `strop token create NAME` there"
        return f"{url} does not accept the token, which is unknown or expired: {new}, then run `strop login {url}`"
    if status == 403 and detail:
        return detail
    if status in {502, 503, 504}:
        return f"{url}: {detail or 'a service is unreachable: try again once it is ready'}"
    if location := response.headers.get("location"):
        return f"{url} redirects to {location}: set STROP_URL to the address of the pages themselves"
    if status < 500:
        return f"{url} has no control API (status {status}): check STROP_URL, the address of the pages without a path, and that both have the same version"
    return f"{url} failed with status {status}: the log of the service has the reason"


def _detail(response: httpx.Response) -> str | None:
    """Return the problem that the response names, on one line."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(detail, list):  # validation: one entry for each field
        return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in detail)
    return str(detail)
