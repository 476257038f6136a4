"""Users with a role and a token."""

from sqlalchemy.ext.asyncio import AsyncSession

from strop import members, tokens
from strop_contracts import access
from strop_contracts.states import Role


async def token(
    session: AsyncSession, user: str, kind: str = "api", role: Role = Role.ADMIN, project: str = access.ALL
) -> str:
    """Give a user a role and return a new token. The caller commits."""
    await members.grant(session, user, role, project)
    return await tokens.make(session, user, kind)
