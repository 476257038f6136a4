"""Control routes of devices: enrol, group, remove and list them. Those of base data sets are in `dataset_control`."""

from ingest import enrolment
from strop import control
from strop_contracts import control as documents

router = control.routes("ingest")


@router.get("/projects/{project}/devices")
async def show(project: str, session: control.Session) -> list[documents.Device]:
    """List the devices of a project by name."""
    rows = await enrolment.devices(session, project)
    return [documents.Device(name=row.name, model=row.model, seen_at=row.seen_at) for row in rows]


@router.post("/projects/{project}/devices", status_code=201)
async def add(project: str, wanted: documents.NewDevices, session: control.Session) -> documents.NewDevices:
    """Enrol all of these devices, or none of them."""
    for name in wanted.names:
        await enrolment.add_device(session, project, name, wanted.alias)
    return wanted


@router.post("/projects/{project}/devices/group", status_code=204)
async def group(project: str, wanted: documents.DeviceGroup, session: control.Session) -> None:
    """Put all of these devices into a group, or none of them; "" removes them from theirs."""
    await enrolment.set_group(session, project, wanted.names, wanted.group)


@router.post("/projects/{project}/devices/remove", status_code=204)
async def remove(project: str, removed: documents.Devices, session: control.Session) -> None:
    """Refuse the messages of all of these devices from now on, or of none. Their captures stay."""
    for name in sorted(removed.names):  # the order in which ingest locks devices, see `queries.devices.lock`
        await enrolment.remove_device(session, project, name)
