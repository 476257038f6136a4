"""What routes receive: the clients of their service, and a transaction."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from strop import app


def runtime(request: Request) -> app.Runtime:
    """Return the clients of the service that has the route."""
    opened: app.Runtime = request.state.runtime
    return opened


async def _transaction(opened: Annotated[app.Runtime, Depends(runtime)]) -> AsyncIterator[AsyncSession]:
    async with opened.sessions.begin() as session:
        yield session


Runtime = Annotated[app.Runtime, Depends(runtime)]
Session = Annotated[AsyncSession, Depends(_transaction, scope="function")]
"""One transaction per request, committed before the response is sent."""
