"""Control routes of tokens: create, list and revoke those of programs, people and operators."""

from strop import control, tokens
from strop_contracts import control as documents
from strop_contracts import errors

router = control.routes("labeling-queue")


@router.post("/tokens", status_code=201)
async def create(wanted: documents.NewToken, session: control.Session) -> documents.Token:
    """Create a token, and its user if missing. The token is not shown again."""
    return documents.Token(token=await tokens.make(session, wanted.user, wanted.kind))


@router.get("/tokens")
async def show(session: control.Session) -> list[documents.TokenInfo]:
    """List the tokens, links and sessions that have not expired."""
    return [
        documents.TokenInfo(user=row.user, kind=row.kind, at=row.at, expires_at=row.expires_at)
        for row in await tokens.valid(session)
    ]


@router.post("/tokens/revoke")
async def revoke(wanted: documents.Revocation, session: control.Session) -> documents.Count:
    """Delete all tokens, links and sessions of a user; 404 if there is none."""
    if not (count := await tokens.revoke(session, wanted.user)):
        raise errors.NotFound(f"{wanted.user} has no token")
    return documents.Count(count=count)
