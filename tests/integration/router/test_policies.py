"""The versions of a project's policy."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from router import policies, rules
from strop import app
from strop_contracts import errors, tables
from tests import factories, roles


@pytest.fixture(autouse=True)
async def enrolled(runtime: app.Runtime) -> None:
    """One project."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)


async def test_until_one_is_set_the_defaults_count(session: AsyncSession) -> None:
    assert await policies.newest(session, factories.PROJECT) == (0, rules.Policy())


async def test_each_change_is_a_new_version_on_top_of_the_last(session: AsyncSession) -> None:
    first = await policies.set_policy(session, factories.PROJECT, {"low": 0.5})
    second = await policies.set_policy(session, factories.PROJECT, {"device_per_hour": 7})

    assert (first, second) == (1, 2)
    assert await policies.newest(session, factories.PROJECT) == (2, rules.Policy(low=0.5, device_per_hour=7))
    stored = await session.scalars(select(tables.Policy.body).order_by(tables.Policy.version))
    assert [body["device_per_hour"] for body in stored] == [rules.Policy().device_per_hour, 7]


async def test_changes_at_the_same_moment_are_both_kept(runtime: app.Runtime, session: AsyncSession) -> None:
    async def change(name: str, value: float) -> int:
        async with runtime.sessions.begin() as own:
            return await policies.set_policy(own, factories.PROJECT, {name: value})

    versions = await asyncio.gather(change("low", 0.1), change("high", 0.8), change("audit_rate", 0.2))

    assert sorted(versions) == [1, 2, 3]
    assert (await policies.newest(session, factories.PROJECT))[1] == rules.Policy(low=0.1, high=0.8, audit_rate=0.2)


async def test_a_wrong_value_changes_nothing(session: AsyncSession) -> None:
    with pytest.raises(errors.Refused, match="low"):
        await policies.set_policy(session, factories.PROJECT, {"low": 2})

    assert await policies.newest(session, factories.PROJECT) == (0, rules.Policy())


async def test_an_unknown_project_has_no_policy_to_set(session: AsyncSession) -> None:
    with pytest.raises(errors.NotFound, match="there is no project cans"):
        await policies.set_policy(session, "cans", {})
