"""Run inside the command's container: the demo's ledger over the captures that the devices announced (argument: JSON)."""

import asyncio
import json
import sys
from dataclasses import asdict

from sqlalchemy import func, select

from strop import app, models
from strop.settings import Settings
from strop_cli import ledger


async def main() -> None:
    journals = json.loads(sys.argv[1])
    async with app.runtime(Settings()) as runtime, runtime.sessions() as session:
        found = await ledger.check(session, "demo", journals)
        rows = await session.scalar(select(func.count()).select_from(models.Capture))
    print(json.dumps({**asdict(found), "rows": rows, "stored": list(journals.values()).count("stored")}))


asyncio.run(main())
