"""`strop status` on rows that the services left."""

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from strop import models
from strop_cli import status
from tests import factories


async def test_images_that_came_and_those_that_never_will_are_counted_apart(session: AsyncSession) -> None:
    await factories.make_project(session)
    for number, state in enumerate(("granted", "stored", "dropped", "dropped")):
        made = await factories.make_capture(session, factories.picture(number))
        session.add(models.Upload(capture_id=made.id, state=state))
    await session.flush()
    row = (await session.execute(status._PROJECTS)).mappings().one()

    console = Console(width=100)
    with console.capture() as shown:
        console.print(await status._project(session, row))

    counts = {
        name.strip(): count.strip()
        for name, count in (line.split("│")[1:3] for line in shown.get().splitlines() if "│" in line)
    }
    assert {name: counts[name] for name in ("captures", "images", "images lost or refused")} == {
        "captures": "4",
        "images": "1",
        "images lost or refused": "2",
    }
