"""Control routes of tokens: create them for programs, people and operators."""

from strop import control, tokens
from strop_contracts import control as documents

router = control.routes("labeling-queue")


@router.get("/caller")
async def caller(user: control.Operator) -> documents.Caller:
    """Return the user of the request's token."""
    return documents.Caller(user=user)


@router.post("/tokens", status_code=201)
async def create(wanted: documents.NewToken, session: control.Session) -> documents.Token:
    """Create a token, and its user if missing. The token is not shown again."""
    return documents.Token(token=await tokens.make(session, wanted.user, wanted.kind))
