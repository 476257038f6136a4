"""`strop trace`: the journey of one capture from the device to the models that learned from it."""

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import typer

from strop_cli import api, connection
from strop_contracts import control_trace as documents

_USES = {
    "train": "training",
    "golden": "judging",
    "valid": "judging",
    "aside": "nothing (a near copy is on the other side)",
}


def trace(
    capture: Annotated[UUID, typer.Argument(metavar="CAPTURE", help="The id of a capture.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
    state: connection.State = None,
) -> None:
    """Show what became of a capture: prediction, route, upload, labels, dataset versions, models."""
    with api.opened(state) as client:
        found = client.get(documents.Trace, "console", "captures", capture)
    print(found.model_dump_json(indent=2) if as_json else "\n".join(lines(found)))


def lines(found: documents.Trace) -> list[str]:
    """Return the journey, one step a line."""
    width = 12
    return [f"{title:{width}}{text}" for title, text in _steps(found)]


def _steps(found: documents.Trace) -> Iterator[tuple[str, str]]:
    yield "capture", f"{found.id} of {found.device} in {found.project}, {found.captured_at:%Y-%m-%d %H:%M:%S}"
    best = ", ".join(f"{each.label} {each.confidence:.1%}" for each in found.predictions[:3])
    audit = f", audit with probability {found.audit_probability:g}" if found.audit else ""
    yield "prediction", f"{best} by {found.model}; kept as {found.reason} with probability {found.probability:g}{audit}"
    if route := found.route:
        decision = "upload" if route.upload else "no upload"
        yield "route", f"{decision}: {route.reason}, probability {route.probability:g}, policy {route.policy}"
    else:
        yield "route", "not decided yet"
    if upload := found.upload:
        stored = f" {upload.stored_at:%Y-%m-%d %H:%M:%S}" if upload.stored_at else ""
        yield "upload", f"{upload.state}{stored}{f': {upload.reason}' if upload.reason else ''}"
    else:
        yield "upload", "not requested"
    yield from _labels(found)
    yield from _datasets(found)


def _labels(found: documents.Trace) -> Iterator[tuple[str, str]]:
    for each in found.answers:
        taken_back = ", taken back" if each.undone_at else ""
        yield (
            "answer",
            f"{each.label or each.answer} by {each.author} ({each.source}), {each.at:%Y-%m-%d %H:%M}{taken_back}",
        )
    if found.truth:
        yield "label", f"{found.truth.label or 'unusable'} by {found.truth.author}, {found.truth.at:%Y-%m-%d %H:%M}"
    else:
        yield "label", "waits for an answer" if found.task == "open" else "none"


def _datasets(found: documents.Trace) -> Iterator[tuple[str, str]]:
    for each in found.datasets:
        yield "dataset", f"version {each.version}, as {each.label}, for {_USES[each.part]}"
        for model in each.models:
            yield "model", f"v{model.version} {model.state}, on {model.devices} devices"
    if not found.datasets:
        yield "dataset", "no dataset version contains it"
    if found.unsearched:
        yield "", f"{found.unsearched} older dataset versions were not searched"
