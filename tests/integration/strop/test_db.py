"""Time-driven work is done by one copy at a time."""

import pytest

from strop import app, db


async def test_a_tick_has_its_name_to_itself_until_it_ends(runtime: app.Runtime) -> None:
    async with db.tick(runtime.sessions, "leases") as first:
        assert first
        async with db.tick(runtime.sessions, "leases") as second, db.tick(runtime.sessions, "stages") as other:
            assert second is None
            assert other

    async with db.tick(runtime.sessions, "leases") as next_one:
        assert next_one


async def test_a_tick_that_fails_frees_its_name(runtime: app.Runtime) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.tick(runtime.sessions, "leases"):
            raise ZeroDivisionError

    async with db.tick(runtime.sessions, "leases") as again:
        assert again
