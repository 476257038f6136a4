"""Which backend trains: that of the run, of the project, or of the service."""

import json

import pytest

from strop_contracts import control, errors, events, tables
from tests.integration.trainer import lab as labs
from trainer import triggers
from trainer.runs import Runs


async def request(lab, **choice):
    async with lab.runtime.sessions.begin() as session:
        return await triggers.by_hand(session, labs.PROJECT, control.TrainingChoice(**choice))


async def carry_out(lab, run_id):
    """Return the model.json of the run."""
    (asked,) = [each for each in await lab.announced("TrainingRequested") if each["run_id"] == str(run_id)]
    await lab.runs.carry_out(events.TrainingRequested.model_validate(asked))
    (made,) = [each for each in await lab.all(tables.ModelVersion) if each.run_id == run_id]
    return json.loads(await lab.runtime.storage.get(made.files["model.json"].key))


async def test_a_run_has_the_backend_that_was_requested_and_later_ones_the_services(lab):
    await lab.base(train=2, valid=1)

    first = await carry_out(lab, await request(lab, backend="constant"))
    second = await carry_out(lab, await request(lab))

    assert [first["backend"], second["backend"]] == ["constant", "head"]
    assert await lab.all(tables.TrainingSettings) == []


async def test_a_saved_choice_holds_for_later_runs_with_single_options_replaced(lab):
    await lab.base(train=2, valid=1)

    await carry_out(lab, await request(lab, backend="head", options={"strengths": [5], "weights": []}, save=True))
    second = await carry_out(lab, await request(lab))
    third = await carry_out(lab, await request(lab, options={"strengths": [7]}))

    assert [second["strength"], third["strength"]] == [5, 7]
    (saved,) = await lab.all(tables.TrainingSettings)
    assert (saved.backend, saved.options) == ("head", {"strengths": [5], "weights": []})
    newest = max(await lab.all(tables.TrainingRun), key=lambda run: run.at)
    assert newest.options == {"strengths": [7], "weights": []}


async def test_options_of_another_backend_are_not_carried_over(lab):
    await lab.base(train=2, valid=1)
    await carry_out(lab, await request(lab, backend="head", options={"strengths": [5]}, save=True))

    run = await lab.run(await request(lab, backend="constant"))

    assert (run.backend, run.options) == ("constant", {})


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"backend": "tail"}, "expected one of head, finetune, constant, got 'tail'"),
        ({"options": {"lr": 1}}, "options need a backend"),
    ],
)
async def test_a_choice_that_cannot_be_is_refused_and_no_run_is_made(lab, choice, reason):
    await lab.base(train=2, valid=1)

    with pytest.raises(errors.Refused, match=reason):
        await request(lab, **choice)

    assert await lab.all(tables.TrainingRun) == []


async def test_an_order_ignores_the_projects_choice(lab):
    run = tables.TrainingRun(project=labs.PROJECT, backbone="lite0+lite2", backend=None)
    saved = tables.TrainingSettings(project=labs.PROJECT, backend="constant", options={})

    assert Runs(lab.runtime, lab.settings)._backend(run, saved)[0] == "head"
