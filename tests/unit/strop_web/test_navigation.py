import pytest

from strop.access import Caller
from strop_contracts import access
from strop_contracts.states import Role
from strop_web import navigation

BASES: dict[str, str | None] = {"console": "", "labeling-queue": "http://other:8000"}


def titles(role: Role, project: str = access.ALL, bases: dict[str, str | None] = BASES) -> list[str]:
    caller = Caller("ada", "page", {project: role})
    return [each.title for each in navigation.sections(caller, "bottles", "/", bases)]


def test_an_engineer_of_all_projects_sees_every_section() -> None:
    assert titles(Role.ENGINEER) == [each.title for each in navigation.SECTIONS]


def test_a_role_in_one_project_opens_no_section_of_all_projects() -> None:
    assert "Dead letters" not in titles(Role.ENGINEER, "bottles")
    assert titles(Role.ENGINEER, "cans") == []


def test_a_labeler_sees_the_labeling_page_alone() -> None:
    (link,) = navigation.sections(Caller("bo", "page", {"bottles": Role.LABELER}), "bottles", "/label/bottles", BASES)

    assert link == navigation.Link("Labels", "http://other:8000/label/bottles", current=True)


def test_sections_of_a_service_without_an_address_are_left_out() -> None:
    assert titles(Role.ADMIN, bases={"console": "", "labeling-queue": None})[-1] == "Training"


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/console/projects/bottles", "Overview"),
        ("/console/projects/bottles/versions/v2/compare", "Models"),
        ("/console/projects/bottles/try", "Models"),
        ("/console/projects/bottles/data/train", "Labels"),
        ("/console/import", "Labels"),
        ("/dead-letters", "Dead letters"),
    ],
)
def test_the_section_of_a_page_is_marked_as_current(path: str, title: str) -> None:
    links = navigation.sections(Caller("ada", "page", {access.ALL: Role.ADMIN}), "bottles", path, BASES)

    assert [each.title for each in links if each.current] == [title]


def test_a_project_is_escaped_in_addresses() -> None:
    links = navigation.sections(Caller("ada", "page", {access.ALL: Role.ADMIN}), "a/b&c", "/", BASES)

    assert all("a%2Fb%26c" in each.address for each in links)
