"""Policies of a project: who may copy its models. Models here stay within one account, which needs none; they are kept
and checked so that tools which manage them work."""

import json
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select

from custom_labels.api import arns, faults, paging
from custom_labels.api.call import Call
from custom_labels.projects import queries
from strop_contracts.tables import ProjectPolicy as Policy

MOST = 5
"""Policies a project can have."""

_ACTIONS = {"rekognition:copyprojectversion", "rekognition:*", "*"}


async def put(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Add a policy, or replace the revision that the caller names."""
    check_document(request["PolicyDocument"])
    project = await queries.find(call, request["ProjectArn"], lock=True)
    policy = await call.session.get(Policy, (project.name, request["PolicyName"]))
    if policy is None:
        policy = await _new(call, project.name, request)
    elif "PolicyRevisionId" not in request:
        raise faults.ResourceAlreadyExistsException("There is a policy of this name: name its revision to replace it.")
    _check_revision(policy, request)
    policy.document, policy.revision, policy.updated_at = request["PolicyDocument"], uuid4().hex, func.now()
    return {"PolicyRevisionId": policy.revision}


async def _new(call: Call, project: str, request: dict[str, Any]) -> Policy:
    if "PolicyRevisionId" in request:
        raise faults.InvalidPolicyRevisionIdException("There is no policy of this name, so it has no revision.")
    count = await call.session.scalar(select(func.count()).select_from(Policy).where(Policy.project == project))
    if count == MOST:
        raise faults.ServiceQuotaExceededException(f"A project has {MOST} policies at the most.")
    made = Policy(project=project, name=request["PolicyName"])
    call.session.add(made)
    return made


async def list_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    project = await queries.find(call, request["ProjectArn"])
    size, after = request.get("MaxResults", MOST), paging.read("ListProjectPolicies", request)
    wanted = select(Policy).where(Policy.project == project.name).order_by(Policy.name).limit(size + 1)
    found = list(await call.session.scalars(wanted.where(Policy.name > after) if after is not None else wanted))
    return {
        "ProjectPolicies": [
            {
                "ProjectArn": arns.project(call.settings, project),
                "PolicyName": policy.name,
                "PolicyRevisionId": policy.revision,
                "PolicyDocument": policy.document,
                "CreationTimestamp": policy.at,
                "LastUpdatedTimestamp": policy.updated_at,
            }
            for policy in found[:size]
        ],
        "NextToken": paging.write("ListProjectPolicies", request, found[size - 1].name) if len(found) > size else None,
    }


async def delete(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    project = await queries.find(call, request["ProjectArn"], lock=True)
    policy = await call.session.get(Policy, (project.name, request["PolicyName"]))
    if policy is None:
        raise faults.ResourceNotFoundException(f"The project has no policy {request['PolicyName']}.")
    _check_revision(policy, request)
    await call.session.delete(policy)
    return {}


def _check_revision(policy: Policy, request: dict[str, Any]) -> None:
    wanted = request.get("PolicyRevisionId")
    if wanted is not None and wanted.lower() != policy.revision:
        raise faults.InvalidPolicyRevisionIdException("The supplied revision id for the project policy is invalid.")


def check_document(document: str) -> None:
    """MalformedPolicyDocumentException unless it is a policy about copying models."""
    try:
        data = json.loads(document)
        statements = data["Statement"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise _malformed("it is no JSON object with a Statement") from error
    if data.get("Version") not in ("2012-10-17", "2008-10-17"):
        raise _malformed("Version is 2012-10-17")
    for statement in statements if isinstance(statements, list) and statements else [statements]:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise _malformed("each Statement has the Effect Allow or Deny")
        if not statement.get("Principal") or not statement.get("Resource"):
            raise _malformed("each Statement has a Principal and a Resource")
        actions = statement.get("Action")
        named = actions if isinstance(actions, list) and actions else [actions]
        if not all(isinstance(action, str) and action.lower() in _ACTIONS for action in named):
            raise _malformed("the one Action is rekognition:CopyProjectVersion")


def _malformed(rule: str) -> faults.MalformedPolicyDocumentException:
    return faults.MalformedPolicyDocumentException(f"The format of the supplied project policy is invalid: {rule}.")
