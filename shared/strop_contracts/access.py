"""The role that each route needs: one table for the routes of all services. A route in neither table below is refused.

Keys are the method and the path as the route declares it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from strop_contracts.states import Role

ALL = "*"
"""In a membership: every project, also those to come."""


class Scope(StrEnum):
    """Where the role is needed."""

    PROJECT = "project"  # in the project that the path names
    ANY = "any"  # in any project: the handler limits what it reads and changes to those of the caller
    ALL = "all"  # in all projects


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route needs. A change is written to the audit log unless its own table records who made it."""

    role: Role
    scope: Scope
    audited: bool


def _rules(role: Role, scope: Scope, *routes: str, audited: bool = True) -> Iterable[tuple[str, Rule]]:
    return ((route, Rule(role, scope, audited and not route.startswith("GET "))) for route in routes)


_LABELING = "/api/projects/{project}"
_PROJECT = "/console/projects/{project}"
_VERSION = _PROJECT + "/versions/{version}"
_CONTROL = "/api/control"
_ROLLOUT = _CONTROL + "/deployer/projects/{project}/rollout"
_USER = _CONTROL + "/labeling-queue/users/{user}"
_BASE_SET = _CONTROL + "/ingest/projects/{project}/datasets/{dataset}"

ROUTES = dict(
    [
        *_rules(Role.LABELER, Scope.ANY, "GET /"),
        *_rules(Role.LABELER, Scope.PROJECT, "GET /label/{project}"),
        *_rules(
            Role.LABELER,
            Scope.PROJECT,
            f"POST {_LABELING}/tasks/next",
            f"GET {_LABELING}/progress",
            f"GET {_LABELING}/labels",
            f"GET {_LABELING}/labels/waiting",
            audited=False,  # `annotations` has the author
        ),
        *_rules(
            Role.LABELER,
            Scope.ANY,
            "POST /api/tasks/{task}/answer",
            "POST /api/tasks/{task}/skip",
            "POST /api/tasks/{task}/unskip",
            "POST /api/annotations/undo",
            "GET /api/tasks/{task}/image",
            audited=False,
        ),
        *_rules(
            Role.REVIEWER,
            Scope.PROJECT,
            f"GET {_PROJECT}",
            f"GET {_PROJECT}/models",
            f"GET {_PROJECT}/fleet",
            f"GET {_PROJECT}/fleet/{{device}}",
            f"GET {_PROJECT}/captures/{{capture}}",
            f"GET {_PROJECT}/rollouts",
            f"GET {_PROJECT}/quality",
            f"GET {_PROJECT}/data",
            f"GET {_PROJECT}/data/{{part}}",
            f"GET {_PROJECT}/try",
            f"GET {_VERSION}",
            f"GET {_VERSION}/results",
            f"GET {_VERSION}/compare",
            f"GET {_PROJECT}/training",
            f"GET {_VERSION}/try",
            f"POST {_VERSION}/try",
            f"GET {_VERSION}/commands",
            f"GET {_VERSION}/{{part}}/{{picture}}.svg",
            "GET /console/images/{project}/{sha256}",
            "GET /console/thumbnails/{project}/{sha256}",
            f"GET {_CONTROL}/console/projects/{{project}}/models",
            f"GET {_CONTROL}/console/projects/{{project}}/fleet",
            f"POST {_CONTROL}/console/projects/{{project}}/ledger",
            f"GET {_CONTROL}/ingest/projects/{{project}}/devices",
            f"GET {_CONTROL}/router/projects/{{project}}/policy",
            f"GET {_CONTROL}/router/projects/{{project}}/quality",
            f"GET {_ROLLOUT}",
            f"GET {_ROLLOUT}/policy",
            f"GET {_CONTROL}/trainer/projects/{{project}}/conflicts",
            f"GET {_CONTROL}/trainer/projects/{{project}}/settings",
            f"GET {_CONTROL}/trainer/projects/{{project}}/triggers",
            audited=False,  # the POSTs change nothing
        ),
        *_rules(
            Role.REVIEWER,
            Scope.PROJECT,
            f"POST {_LABELING}/labels",
            f"GET {_CONTROL}/labeling-queue/projects/{{project}}/labels",
            f"POST {_CONTROL}/labeling-queue/projects/{{project}}/labels",
        ),
        *_rules(
            Role.REVIEWER,
            Scope.ANY,
            f"GET {_CONTROL}/console/status",
            f"GET {_CONTROL}/console/captures/{{capture}}",
            f"GET {_CONTROL}/custom-labels/projects",
            f"GET {_CONTROL}/trainer/runs/{{run}}",
        ),
        *_rules(
            Role.ENGINEER,
            Scope.PROJECT,
            f"POST {_PROJECT}/train",
            f"POST {_VERSION}/start",
            f"POST {_VERSION}/stop",
            f"POST {_VERSION}/decide/{{verdict}}",
            f"POST {_PROJECT}/training",
            f"POST {_PROJECT}/rollouts/decide/{{action}}",
            f"POST {_PROJECT}/rollouts/policy",
            f"POST {_PROJECT}/quality",
            f"PATCH {_CONTROL}/trainer/projects/{{project}}/settings",
            f"PATCH {_CONTROL}/router/projects/{{project}}/policy",
            f"POST {_CONTROL}/trainer/projects/{{project}}/runs",
            f"POST {_CONTROL}/trainer/projects/{{project}}/models/{{version}}/approve",
            f"POST {_CONTROL}/trainer/projects/{{project}}/models/{{version}}/reject",
            f"POST {_CONTROL}/deployer/projects/{{project}}/rollback",
            f"PATCH {_ROLLOUT}/policy",
            f"POST {_ROLLOUT}/approve",
            f"POST {_ROLLOUT}/hold",
            f"POST {_ROLLOUT}/resume",
            f"POST {_ROLLOUT}/abort",
            f"POST {_BASE_SET}/uploads",
            f"POST {_BASE_SET}/remove",
        ),
        *_rules(
            Role.ENGINEER,
            Scope.PROJECT,
            f"POST {_BASE_SET}/outcomes",
            f"GET {_BASE_SET}/paths",
            f"POST {_CONTROL}/ingest/projects/{{project}}/datasets/check",
            audited=False,  # they change nothing
        ),
        *_rules(
            Role.ENGINEER,
            Scope.ALL,
            "GET /console/import",
            "POST /console/import",
            "GET /dead-letters",
            "POST /dead-letters/{letter}/{decision}",
            f"GET {_CONTROL}/console/dead-letters",
            f"GET {_CONTROL}/console/dead-letters/{{letter}}",
            f"POST {_CONTROL}/console/dead-letters/retry",
            f"POST {_CONTROL}/console/dead-letters/drop",
        ),
        *_rules(
            Role.ADMIN,
            Scope.PROJECT,
            f"POST {_CONTROL}/ingest/projects/{{project}}/devices",
            f"POST {_CONTROL}/ingest/projects/{{project}}/devices/remove",
            f"POST {_CONTROL}/ingest/projects/{{project}}/devices/group",
        ),
        *_rules(
            Role.ADMIN,
            Scope.ALL,
            f"POST {_CONTROL}/custom-labels/projects",
            f"GET {_CONTROL}/labeling-queue/tokens",
            f"GET {_CONTROL}/labeling-queue/users",
            # The path has all that is changed, so that the audit log has it too.
            f"PUT {_USER}/roles/{{project}}/{{role}}",
            f"DELETE {_USER}/roles/{{project}}",
            f"DELETE {_USER}",
            f"POST {_USER}/tokens",
            f"DELETE {_USER}/tokens",
            f"GET {_CONTROL}/labeling-queue/audit",
        ),
        *_rules(
            Role.LABELER,
            Scope.ANY,
            *(
                f"GET {_CONTROL}/{service}/caller"
                for service in ("ingest", "router", "labeling-queue", "trainer", "deployer", "custom-labels", "console")
            ),
        ),
    ]
)
"""By route. The roles of one project grow from top to bottom."""

OPEN = frozenset(
    {
        "GET /sign-in",
        "HEAD /sign-in",
        "POST /sign-in",
        "POST /sign-out",
        "GET /console",  # redirects
        "GET /static/{path:path}",
        "GET /label/static/{path:path}",
        "GET /console/static/{path:path}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /api/docs",
        "GET /docs/oauth2-redirect",
    }
)
"""Routes without a sign-in: they show and change nothing of a project. The Custom Labels API checks signatures itself."""
