"""DetectCustomLabels: an image in, labels out. The way to a running model asks no database."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custom_labels import buckets, image_rules
from custom_labels.api import arns, faults
from custom_labels.api.call import Call
from custom_labels.hosting import framing, pool
from custom_labels.hosting.reconciler import HostedModel, Reconciler
from custom_labels.versions import operations as versions
from strop import storage
from strop_contracts import states
from strop_image import decoder

MAX_BYTES = 4 * 2**20
"""Of an image that comes in the request. The description allows 5 MiB, the guide 4 MB."""

PATIENCE = 10.0
"""Seconds to wait for a model that is RUNNING but not loaded here yet, as after a restart."""

_REFUSALS: Mapping[str, type[faults.Fault]] = {
    fault.__name__: fault
    for fault in (
        faults.InvalidImageFormatException,
        faults.ImageTooLargeException,
        faults.InvalidParameterException,
        faults.InternalServerError,
    )
}


class Detector:
    def __init__(self, hosts: Reconciler) -> None:
        self._hosts = hosts

    async def detect(self, call: Call, request: dict[str, Any]) -> dict[str, Any]:
        """Answer labels above their own thresholds; `MinConfidence` takes the place of those, and 0 gives all labels."""
        arn = arns.parse(call.settings, request["ProjectVersionArn"])
        hosted = (arn and self._hosts.find(arn)) or await self._wait(call, request["ProjectVersionArn"])
        data = await _image(call, request["Image"])
        hosted.used = datetime.now(UTC)
        answer = await _ask(hosted, data)
        if "refused" in answer:
            raise _REFUSALS[answer["refused"]](answer["reason"])
        return {"CustomLabels": choose(answer, request, hosted.row.threshold)}

    async def _wait(self, call: Call, text: str) -> HostedModel:
        """Tell why there is no such model here, or wait for it."""
        async with call.runtime.sessions() as session:  # of our own: its connection goes back before we wait
            version = await versions.find(replace(call, session=session), text)
        arn = arns.parse(call.settings, text)
        assert arn
        deadline = time.monotonic() + PATIENCE
        while version.status == states.VersionStatus.RUNNING and time.monotonic() < deadline:
            if hosted := self._hosts.find(arn):
                return hosted
            await asyncio.sleep(0.02)
        raise faults.ResourceNotReadyException(
            f"The project version is {version.status}, not RUNNING: StartProjectVersion starts it."
        )


async def _image(call: Call, image: dict[str, Any]) -> bytes:
    if len(image) != 1:
        raise faults.InvalidParameterException("Image has either Bytes or S3Object.")
    if "Bytes" in image:
        return _bounded(image["Bytes"])
    wanted = buckets.named(image["S3Object"])
    place = wanted["Bucket"], wanted["Name"], image_rules.MAX_BYTES, wanted.get("Version")
    try:
        return await buckets.read(call.runtime.storage, *place)
    except buckets.Unreadable as error:
        raise buckets.refused(error) from error
    except storage.TooLarge as error:
        raise faults.ImageTooLargeException(f"The image is {error}.") from error


def _bounded(body: bytes) -> bytes:
    try:
        return decoder.bounded(body, MAX_BYTES)
    except decoder.BadImage as error:
        raise faults.ImageTooLargeException(f"The image is {error}.") from error


async def _ask(hosted: HostedModel, data: bytes) -> framing.Detection | framing.Refusal:
    assert hosted.units
    try:
        return await hosted.units.ask(data)
    except pool.Busy as error:
        raise faults.ProvisionedThroughputExceededException(
            "More requests wait than the inference units can take: start the model with more of them."
        ) from error
    except pool.Closed as error:
        raise faults.ResourceNotReadyException("The project version is STOPPING, not RUNNING.") from error
    except pool.Crashed as error:
        raise faults.InternalServerError("An inference unit broke. Please try again.") from error


def choose(
    detection: framing.Detection, request: dict[str, Any], threshold: float | None
) -> list[dict[str, str | float]]:
    """The labels of an answer. `detection` is a unit's; `threshold` (0 to 100) stands for the labels' own when there is one.

    An image of nothing known has no labels, unless all are asked for.
    """
    least = request.get("MinConfidence", threshold)
    if least == 0 and "MinConfidence" in request:
        chosen = detection["ranked"]
    elif detection["novel"]:
        chosen = []
    elif least is None:
        chosen = [each for each in detection["ranked"] if each[0] in detection["answers"]]
    else:
        chosen = [each for each in detection["ranked"] if each[1] * 100 >= least]
    labels: list[dict[str, str | float]] = [
        {"Name": label, "Confidence": round(confidence * 100, 4)} for label, confidence in chosen
    ]
    return labels[: request.get("MaxResults")]
