"""A device that knows nothing of ours but docs/wire.md: its lines, as they stand there, in a shell."""

import asyncio
import json
import os
import re
from pathlib import Path

from sqlalchemy import select

from strop import app
from strop_contracts import tables
from tests import factories, wait
from tests.clients.conftest import Site

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
SCRIPTS = dict(re.findall(r"^```sh (\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


async def run(script: str, site: Site, folder: Path) -> str:
    """Run lines of the page; returns what they print."""
    argv = ("bash", "-euo", "pipefail", "-c", script)
    pipe, env = asyncio.subprocess.PIPE, {**os.environ, **site.env}
    process = await asyncio.create_subprocess_exec(*argv, cwd=folder, env=env, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(90):
            out, error = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, error.decode()
    return out.decode()


async def test_a_device_made_of_mosquitto_pub_and_curl_has_its_photo_labelled(
    site: Site, runtime: app.Runtime, tmp_path: Path
) -> None:
    photo = factories.picture(7)
    (tmp_path / "photo.jpg").write_bytes(photo)

    await run(SCRIPTS["device"], site, tmp_path)

    async def ask() -> list[dict[str, object]]:
        return list(json.loads(await run(SCRIPTS["labeler"], site, tmp_path)))

    tasks = await wait.until(ask)
    announced = json.loads((tmp_path / "capture.json").read_text())
    assert [(task["device"], task["predictions"]) for task in tasks] == [("line-7", announced["predictions"])]
    async with runtime.sessions() as session:
        upload = await session.get(tables.Upload, announced["id"])
        assert upload
        assert upload.state == "stored"
    assert await runtime.storage.get(f"beverages/images/{announced['sha256']}") == photo


async def test_what_is_malformed_is_a_dead_letter_with_its_reason(
    site: Site, runtime: app.Runtime, tmp_path: Path
) -> None:
    await run('mosquitto_pub -L "$MQTT_URL/strop/beverages/line-7/capture" -q 1 -m \'{"id": "7"}\'', site, tmp_path)

    async def letter() -> tables.DeadLetter | None:
        async with runtime.sessions() as session:
            return (await session.scalars(select(tables.DeadLetter))).first()

    assert "id: expected a UUID, got '7'" in (await wait.until(letter)).reason
