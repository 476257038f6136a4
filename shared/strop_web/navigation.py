"""The navigation of a project: one list of sections, which the pages of all services show."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from strop.access import Caller
from strop_contracts import access, services
from strop_contracts.states import Role

_PROJECTS = "/console/projects/"


@dataclass(frozen=True, slots=True)
class Section:
    """A place in the navigation. `below` are the first parts of its pages' paths within a project."""

    title: str
    service: services.Service
    path: str
    below: frozenset[str]
    role: Role = Role.REVIEWER
    everywhere: bool = False  # the role is needed in all projects


@dataclass(frozen=True, slots=True)
class Link:
    """A section as one person sees it on one page."""

    title: str
    address: str
    current: bool


def _section(title: str, path: str, *more: str) -> Section:
    return Section(title, services.CONSOLE, f"{_PROJECTS}{{project}}{path}", frozenset({path.strip("/"), *more}))


SECTIONS = (
    _section("Overview", ""),
    _section("Fleet", "/fleet", "captures"),
    _section("Rollouts", "/rollouts"),
    _section("Quality", "/quality"),
    _section("Labels", "/data", "import"),
    _section("Models", "/models", "versions", "try"),
    _section("Training", "/training"),
    Section(
        *("Dead letters", services.LABELING_QUEUE, "/dead-letters?project={project}"),
        *(frozenset({"dead-letters"}), Role.ENGINEER, True),
    ),
)
_LABELING = Section("Labels", services.LABELING_QUEUE, "/label/{project}", frozenset({"label"}), Role.LABELER)
"""What a person who may only label sees."""


def sections(caller: Caller, project: str, path: str, bases: Mapping[str, str | None]) -> list[Link]:
    """Return the sections of a project that the caller may open; the one of the page at `path` is current.

    `bases` has what to put before a path, by service; sections of a service without an address are left out.
    """
    place = _place(path)
    return [
        Link(
            each.title,
            f"{bases[each.service.name]}{each.path.format(project=quote(project, safe=''))}",
            place in each.below,
        )
        for each in (SECTIONS if caller.may(Role.REVIEWER, project) else (_LABELING,))
        if bases.get(each.service.name) is not None
        and caller.may(each.role, access.ALL if each.everywhere else project)
    ]


def _place(path: str) -> str:
    """Return the first part of a path below a project, or below the root: "" for the overview."""
    parts = path.strip("/").split("/")
    within = parts[3:] if path.startswith(_PROJECTS) else [part for part in parts if part != "console"]
    return within[0] if within else ""
