"""Pages on which people approve models, compare them and set when a project trains."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from strop import app
from strop_contracts import documents, tables
from tests import factories, judged, roles
from tests.integration.console.conftest import Ask

PROJECT = "/console/projects/flowers"
VERSION = f"{PROJECT}/versions/v2"


async def arrange(runtime: app.Runtime, state: str = "undecided") -> None:
    """A champion and a challenger of a fleet, with the outcomes of both on the same images."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, "flowers", devices=())
        await factories.make_model(session, 1, "flowers")
        (await factories.make_model(session, 2, "flowers", state)).champion = 1
        await judged.add_evaluation(runtime, session, judged.SHOTS, "flowers", 2, "field")
        await session.flush()
        row = await session.get_one(tables.Evaluation, ("flowers", 2, "field"))
        row.champion_key, row.champion_right = "flowers/models/v2/outcomes-field-champion.jsonl", 3
        before = [shot.outcome() for shot in judged.SHOTS]
        flip = {"predicted": "rose", "answers": ("rose",)}  # the first, a daisy, and the fourth, a rose
        before = [each.model_copy(update=flip) if place in (0, 3) else each for place, each in enumerate(before)]
        await runtime.storage.put(row.champion_key, documents.lines(before), "application/jsonl")


async def model(runtime: app.Runtime) -> tables.ModelVersion:
    async with roles.arranging(runtime)() as session:
        found = select(tables.ModelVersion).where(tables.ModelVersion.version == 2)
        return (await session.scalars(found)).one()


async def rows(runtime: app.Runtime, table: Any) -> list[Any]:
    async with roles.arranging(runtime)() as session:
        return list(await session.scalars(select(table)))


@pytest.mark.parametrize(("verdict", "state"), [("approve", "approved"), ("reject", "refused")])
async def test_a_person_decides_with_a_reason_that_is_stored(
    served: httpx.AsyncClient, runtime: app.Runtime, verdict: str, state: str
) -> None:
    await arrange(runtime)

    page = (await served.get(VERSION)).text
    answer = await served.post(f"{VERSION}/decide/{verdict}", data={"reason": "seen on the line"})

    assert "decide/approve" in page
    assert "decide/reject" in page
    assert answer.status_code == 303
    found = await model(runtime)
    assert (found.state, found.decided_by, found.decision) == (state, "ada", "seen on the line")
    assert f"{state.capitalize()} by <b>ada</b>" in (await served.get(VERSION)).text
    assert [row.kind for row in await rows(runtime, tables.Token)] == ["api"]  # the token for the trainer is gone


async def test_a_decision_without_a_reason_changes_nothing(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await arrange(runtime)

    answer = await served.post(f"{VERSION}/decide/approve", data={"reason": " "})

    assert (answer.status_code, (await model(runtime)).state) == (409, "undecided")
    assert "Give a reason" in answer.text


async def test_what_the_trainer_refuses_is_on_the_page(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await arrange(runtime, "refused")

    page = (await served.get(VERSION)).text
    answer = await served.post(f"{VERSION}/decide/reject", data={"reason": "twice"})

    assert "decide/reject" not in page
    assert answer.status_code == 409
    assert "V2 is refused: only an undecided model can be rejected." in answer.text


async def test_two_models_are_compared_on_the_same_images(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime)

    page = (await (await ask("ada")).get(f"{VERSION}/compare")).text

    assert "v2 and v1 on the same images" in page
    assert "the same 6 images (field images)" in page
    assert "Lost: 1 image" in page
    assert "Gained: 1 image" in page
    for number, kept in enumerate(judged.SHOTS):
        assert (kept.outcome().sha256 in page) == (number in (0, 3))


async def test_a_model_without_a_champion_has_no_comparison(ask: Ask, runtime: app.Runtime) -> None:
    await judged.arrange(runtime)

    answer = await (await ask("ada")).get(f"{PROJECT}/versions/first/compare")

    assert answer.status_code == 404
    assert "was not compared with a champion" in answer.text


async def test_settings_are_changed_on_the_page_by_who_is_signed_in(
    served: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    await arrange(runtime)
    before = (await served.get(f"{PROJECT}/training")).text

    answer = await served.post(f"{PROJECT}/training", data={"min_labels": "50", "gate_level": "0.1"})

    assert "0 of 100 labels" in before
    assert answer.status_code == 303
    assert "0 of 50 labels" in (await served.get(f"{PROJECT}/training")).text
    assert [(row.by, row.body) for row in await rows(runtime, tables.ProjectSettings)] == [("ada", {"min_labels": 50})]


async def test_a_setting_out_of_range_is_refused_on_the_page(served: httpx.AsyncClient, runtime: app.Runtime) -> None:
    await arrange(runtime)

    answer = await served.post(f"{PROJECT}/training", data={"gate_level": "2"})

    assert answer.status_code == 409
    assert "Gate_level: Input should be less than 0.5." in answer.text


async def test_settings_that_changed_meanwhile_are_not_overwritten(
    served: httpx.AsyncClient, runtime: app.Runtime
) -> None:
    await arrange(runtime)
    await served.post(f"{PROJECT}/training", data={"version": "0", "min_labels": "50"})

    answer = await served.post(f"{PROJECT}/training", data={"version": "0", "min_labels": "70"})

    assert answer.status_code == 409
    assert "were changed meanwhile" in answer.text
    assert [row.body for row in await rows(runtime, tables.ProjectSettings)] == [{"min_labels": 50}]


async def test_without_a_trainer_the_page_has_the_reason(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime)

    answer = await (await ask("ada")).get(f"{PROJECT}/training")

    assert answer.status_code == 409
    assert "STROP_CONTROL_URLS does not lead to the trainer" in answer.text
