"""The control API of another service, called for the person who is signed in: all that pages change, and reports that its owner makes."""

from datetime import timedelta
from typing import TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel

from strop import app, tokens
from strop_contracts import control, errors, services

_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)  # seconds
_LIFETIME = timedelta(minutes=1)
"""Of the token that a request carries: it leaves this process for that service only."""

T = TypeVar("T", bound=BaseModel)


class ControlApi:
    """Requests of one person about one project. All raise Refused with the reason if the service refuses or is unreachable."""

    def __init__(self, runtime: app.Runtime, service: services.Service, person: str, project: str) -> None:
        self._runtime, self._service, self._person, self._project = runtime, service.name, person, project

    async def get(self, answer: type[T], *path: str) -> T:
        """Return a document."""
        return answer.model_validate_json(await self._send("GET", path))

    async def send(self, method: str, body: BaseModel, *path: str) -> None:
        """Change something."""
        await self._send(method, path, body.model_dump_json())

    async def _send(self, method: str, path: tuple[str, ...], body: str | None = None) -> bytes:
        base = self._runtime.settings.control_urls.get(self._service)
        if base is None:
            raise errors.Refused(f"STROP_CONTROL_URLS does not lead to the {self._service}.")
        parts = [quote(part, safe="") for part in ("projects", self._project, *path)]
        url = "/".join([f"{base.rstrip('/')}{control.PREFIX}/{self._service}", *parts])
        async with self._runtime.sessions.begin() as session:
            token = await tokens.make(session, self._person, "api", _LIFETIME)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as client,
                client.request(method, url, data=body, allow_redirects=False) as answer,
            ):
                content = await answer.read()
                if answer.status >= 400:
                    raise errors.Refused(_reason(self._service, answer.status, content))
                return content
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.Refused(f"The {self._service} is unreachable: try again once it is ready.") from error
        finally:
            async with self._runtime.sessions.begin() as session:
                await tokens.delete_one(session, token, "api")


class _Problem(BaseModel):
    detail: str | list[dict[str, object]]


def _reason(service: str, status: int, content: bytes) -> str:
    """Return why a service refused, as a sentence."""
    try:
        detail = _Problem.model_validate_json(content).detail
    except ValueError:
        return f"The {service} failed with status {status}: its log has the reason."
    words = detail if isinstance(detail, str) else "; ".join(f"{each['msg']}" for each in detail)
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."
