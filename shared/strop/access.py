"""Who calls a route and whether they may: the caller's roles against the table of `strop_contracts.access`."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import access, errors, tables
from strop_contracts.states import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who is signed in, and the source of the request: "page" (the cookie) or "api" (a Bearer token)."""

    name: str
    source: str
    roles: Mapping[str, Role]  # by project, `access.ALL` for all

    def may(self, role: Role, project: str = access.ALL) -> bool:
        """Return whether the caller has this role, or a higher one, in a project; by default in all."""
        return any(self.roles[each].rank >= role.rank for each in {project, access.ALL} if each in self.roles)

    def may_anywhere(self, role: Role) -> bool:
        return any(self.may(role, project) for project in self.roles)

    def require(self, role: Role, project: str) -> None:
        """Raise Forbidden unless the caller has this role, or a higher one, in the project."""
        if not self.may(role, project):
            raise errors.Forbidden(_missing(self.name, role, project))


async def check(session: AsyncSession, request: Request, caller: Caller) -> str | None:
    """Return why the caller may not use the route of a request, or None if they may; add a change to the audit log.

    The transaction must be committed before the route acts, and also if it may not.
    """
    method, path = request.method, request.scope["route"].path
    rule = access.ROUTES.get(f"{method} {path}")
    project: str | None = request.path_params.get("project")
    if rule is None:
        refusal: str | None = f"no role is declared for {method} {path}, so it is refused"
    else:
        refusal = _refusal(caller, rule, project)
    if rule is None or rule.audited:
        await session.execute(
            insert(tables.AuditEntry).values(
                user=caller.name,
                source=caller.source,
                address=request.client.host if request.client else None,
                method=method,
                path=request.url.path,
                project=project,
                allowed=refusal is None,
            )
        )
    return refusal


def _refusal(caller: Caller, rule: access.Rule, project: str | None) -> str | None:
    if rule.scope is access.Scope.ANY:
        return None if caller.may_anywhere(rule.role) else _missing(caller.name, rule.role, "PROJECT")
    where = access.ALL if rule.scope is access.Scope.ALL else str(project)
    return None if caller.may(rule.role, where) else _missing(caller.name, rule.role, where)


def _missing(name: str, role: Role, project: str) -> str:
    everywhere = project == access.ALL
    where = "all projects" if everywhere else "any project" if project == "PROJECT" else f"project {project}"
    command = f"strop users add {name} --role {role}" + ("" if everywhere else f" --project {project}")
    return f"{name} needs the role {role} in {where}: an admin grants it with `{command}`"
