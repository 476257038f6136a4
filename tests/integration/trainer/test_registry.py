"""What a person may roll out that no gate approved, and the numbers of models."""

import asyncio

import pytest

from strop_contracts import errors, tables
from tests import factories, roles
from tests.integration.trainer import lab as labs
from tests.integration.trainer.lab import Lab
from trainer import queries, registry


async def approve(lab: Lab, version: int) -> None:
    async with lab.runtime.sessions.begin() as session:
        await registry.approve(session, labs.PROJECT, version, "ann")


@pytest.mark.parametrize("before", ["hosted", "refused", "undecided"])
async def test_a_person_may_roll_out_what_no_gate_approved(lab: Lab, before: str) -> None:
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 1, state=before)

    await approve(lab, 1)

    (model,) = await lab.all(tables.ModelVersion)
    assert (model.state, model.reasons) == ("approved", [f"approved by ann, {before} before"])
    assert await lab.announced("ModelApproved") == [{"project": labs.PROJECT, "model_version": 1}]


async def test_what_is_approved_or_missing_cannot_be_approved(lab: Lab) -> None:
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 1)
        about = {"project": labs.PROJECT, "model_version": 1, "kind": "rollout", "stages": [1.0]}
        session.add(tables.Deployment(**about, state="rolled_back"))

    with pytest.raises(errors.Refused, match="v1 is approved already"):
        await approve(lab, 1)
    with pytest.raises(errors.NotFound, match="no model version 2"):
        await approve(lab, 2)
    assert await lab.announced("ModelApproved") == []


async def test_an_approved_model_whose_rollout_never_began_may_be_approved_again(lab: Lab) -> None:
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 1)

    await approve(lab, 1)

    (model,) = await lab.all(tables.ModelVersion)
    assert (model.state, model.reasons) == ("approved", [])
    assert await lab.announced("ModelApproved") == [{"project": labs.PROJECT, "model_version": 1}]


@pytest.mark.parametrize("first", ["approval", "deletion"])
async def test_an_approval_and_the_deletion_of_a_hosted_model_exclude_each_other(lab: Lab, first: str) -> None:
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 1, state="hosted")

    async def delete() -> None:
        async with lab.runtime.sessions.begin() as session:
            await queries.delete_hosted(session, labs.PROJECT, 1)

    async with lab.runtime.sessions.begin() as holding:
        if first == "approval":
            await registry.approve(holding, labs.PROJECT, 1, "ann")
            other = asyncio.create_task(delete())
        else:
            await queries.delete_hosted(holding, labs.PROJECT, 1)
            other = asyncio.create_task(approve(lab, 1))
        await asyncio.wait([other], timeout=0.2)  # it waits for the row

    if first == "approval":
        await other
    else:
        with pytest.raises(errors.NotFound):
            await other
    assert len(await lab.all(tables.ModelVersion)) == len(await lab.announced("ModelApproved")) == (first == "approval")


async def test_a_person_may_refuse_what_the_gate_left_undecided(lab: Lab) -> None:
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 1, state="undecided")

    async with lab.runtime.sessions.begin() as session:
        await registry.reject(session, labs.PROJECT, 1, "ann")

    (model,) = await lab.all(tables.ModelVersion)
    assert (model.state, model.reasons) == ("refused", ["refused by ann, undecided before"])
    with pytest.raises(errors.Refused, match="v1 is refused: only an undecided model can be rejected"):
        async with lab.runtime.sessions.begin() as session:
            await registry.reject(session, labs.PROJECT, 1, "ann")
    assert await lab.announced("ModelApproved") == []


async def test_two_runs_of_a_project_side_by_side_get_two_numbers(lab: Lab) -> None:
    """An order may be trained beside the fleet's own run; a number that was given is never given again."""
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 4)
        runs = [tables.TrainingRun(project=labs.PROJECT, trigger="order", manifest=f"{n}") for n in range(2)]
        session.add_all(runs)

    async def reserve(run: tables.TrainingRun) -> int:
        async with lab.runtime.sessions.begin() as session:
            return await queries.reserve_model(session, run)

    assert sorted(await asyncio.gather(*map(reserve, runs))) == [5, 6]
    assert sorted(await asyncio.gather(*map(reserve, runs))) == [5, 6]
