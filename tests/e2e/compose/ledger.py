"""Run inside the command's container: the demo's ledger over the captures that devices announced (JSON on standard input)."""

import asyncio
import json
import sys

from sqlalchemy import func, select

from console import ledger
from strop import app
from strop.settings import Settings
from strop_contracts import tables


async def main() -> None:
    journals = json.load(sys.stdin)
    async with app.runtime(Settings()) as runtime, runtime.sessions() as session:
        found = await ledger.look(session, "demo", journals)
        rows = await session.scalar(select(func.count()).select_from(tables.Capture))
    print(
        json.dumps({**found.model_dump(mode="json"), "rows": rows, "stored": list(journals.values()).count("stored")})
    )


asyncio.run(main())
