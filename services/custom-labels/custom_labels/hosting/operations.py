"""Starting and stopping models. Both only write down what is wanted; `hosts` makes it so."""

from typing import Any

from sqlalchemy import func

from custom_labels.api import faults
from custom_labels.api.call import Call
from custom_labels.versions import operations as versions
from strop_contracts import states

STARTABLE = {
    states.VersionStatus.TRAINING_COMPLETED,
    states.VersionStatus.STOPPED,
    states.VersionStatus.FAILED,
    states.VersionStatus.COPYING_COMPLETED,
}


async def start(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    least, most = request["MinInferenceUnits"], request.get("MaxInferenceUnits")
    version = await versions.find(call, request["ProjectVersionArn"], lock=True)
    if version.status in versions.BUSY:
        raise faults.ResourceInUseException(f"The version is {version.status}: it cannot be started now.")
    if version.status not in STARTABLE:
        raise faults.InvalidParameterException(f"The version is {version.status}: there is no model to start.")
    if most is not None and most < least:
        raise faults.InvalidParameterException("MaxInferenceUnits is less than MinInferenceUnits.")
    if (allowed := call.settings.max_units) < (most or least):
        raise faults.LimitExceededException(f"A model has {allowed} inference units at the most.")
    version.status, version.message = states.VersionStatus.STARTING, "The model is being started."
    version.min_units, version.max_units = least, most
    version.started_at, version.used_at = func.now(), None
    return {"Status": version.status}


async def stop(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    version = await versions.find(call, request["ProjectVersionArn"], lock=True)
    if version.status not in {states.VersionStatus.STARTING, states.VersionStatus.RUNNING}:
        raise faults.ResourceInUseException(f"The version is {version.status}: only one that runs can be stopped.")
    version.status, version.message = states.VersionStatus.STOPPING, "Stopped on request."
    return {"Status": version.status}
