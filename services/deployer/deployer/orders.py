"""From a row of the database to the order for a device. Pure."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from deployer import rules
from deployer.targets import base
from strop_contracts import states
from strop_wire import fields, messages

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Due:
    """An order that is due, and the version of the policy in it."""

    order: base.Order
    policy: int

    @property
    def key(self) -> tuple[UUID, str]:
        """The primary key of the device's row in the deployment."""
        return self.order.assignment.deployment_id, self.order.assignment.device


def read(row: Row[Any]) -> Due:
    """Read a row of `leases.lease`. A deployment that was rolled back withdraws what was published."""
    assignment = base.Assignment(row.project, row.device, row.deployment_id)
    withdrawn = row.state == states.DeploymentState.ROLLED_BACK
    return Due(base.Order(assignment, None if withdrawn else _desired(row)), row.policy)


def _desired(row: Row[Any]) -> messages.Desired:
    files = {name: messages.ModelFile(file.sha256, file.size) for name, file in row.files.items()}
    return messages.Desired(str(row.deployment_id), rules.model_name(row.model_version), files, _policy(row))


def _policy(row: Row[Any]) -> messages.Policy:
    """The device's part of the newest policy; the default if it cannot be read, so that it never stops a rollback."""
    try:
        return messages.Policy.read(asdict(messages.Policy()) | (row.policy_body or {}) | {"version": row.policy})
    except fields.Malformed:
        log.exception("policy_unreadable", project=row.project, policy=row.policy)
        return messages.Policy()
