"""Packages, tables, import rules, Dockerfile and docker-compose.yml agree with the declarations of the services."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from strop_contracts import events, services, tables, waits
from strop_contracts.tables import accounts
from tests.conftest import ROOT

each = pytest.mark.parametrize("service", services.ALL, ids=lambda service: service.name)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PACKAGES = {service.package for service in services.ALL}


def folder(service: services.Service) -> Path:
    return ROOT / "services" / service.name / service.package


def test_every_service_folder_is_declared() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}

    assert folders == {service.name for service in services.ALL}


def test_every_table_has_one_owner() -> None:
    owned = [table for service in services.ALL for table in service.owns]
    shared = {table for service in services.ALL for table in (*service.writes, *service.appends)} - set(owned)

    assert len(owned) == len(set(owned))
    assert {*owned, *shared} == {mapper.class_ for mapper in tables.Base.registry.mappers}
    assert {table.__module__.rpartition(".")[2] for table in shared} == {"kernel", "accounts"}


def waiting(service: services.Service) -> list[waits.Wait]:
    """What a service reconciles; the console reads all, for its ledger."""
    every = [wait for kinds in waits.BY_SERVICE.values() for wait in kinds]
    return every if service is services.CONSOLE else list(waits.BY_SERVICE.get(service.name, ()))


def tables_of(wait: waits.Wait) -> set[type[tables.Base]]:
    names = set(re.findall(r"\b(\w+)\.", str(wait.rows)))  # each column is written with its table
    return {mapper.class_ for mapper in tables.Base.registry.mappers if mapper.class_.__tablename__ in names}


@each
def test_a_service_may_read_what_its_waits_name(service: services.Service) -> None:
    granted = {*service.writes, *service.reads}

    assert all(tables_of(wait) <= granted for wait in waiting(service))


@each
def test_a_service_is_granted_the_tables_that_its_code_names(service: services.Service) -> None:
    folders = [folder(service), *([ROOT / "shared/strop_web"] if service.signs_in else [])]  # with the home page
    source = "\n".join(path.read_text() for each in folders for path in each.rglob("*.py"))
    names = set(re.findall(r"\btables\.([A-Z]\w+)|strop_contracts\.tables import (\w+)", source))
    in_sql = set(re.findall(r"\b(?:from|join|into|update) (\w+)", source))
    named = {getattr(tables, first or second) for first, second in names} - {tables.Base}
    named |= {mapper.class_ for mapper in tables.Base.registry.mappers if mapper.class_.__tablename__ in in_sql}

    assert named <= {*service.writes, *service.reads}
    by_kernel: set[type[tables.Base]] = {accounts.Token, accounts.Membership}  # see `strop.control`
    by_kernel |= {table for wait in waiting(service) for table in tables_of(wait)}
    if events.ProjectDeleted in service.consumes:
        by_kernel |= {tables.Project}  # see `strop.clearing`
    assert set(service.reads) <= named | by_kernel


@each
def test_a_service_is_wired_under_its_name(service: services.Service) -> None:
    main = import_module(f"{service.package}.__main__")

    assert service.name == main.NAME
    assert callable(main.build)


def test_import_rules_cover_every_service() -> None:
    contracts = {contract["name"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}

    assert set(contracts["Services are independent of each other"]["modules"]) == PACKAGES
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) >= PACKAGES
    assert set(PROJECT["tool"]["mypy"]["packages"]) >= PACKAGES
    assert {f"services/{service.name}" for service in services.ALL} <= set(
        PROJECT["tool"]["mypy"]["mypy_path"].split(":")
    )
    assert set(PROJECT["tool"]["ruff"]["lint"]["isort"]["known-first-party"]) >= PACKAGES
    forbidden = [set(contract.get("forbidden_modules", [])) for contract in contracts.values()]
    assert all(modules >= PACKAGES for modules in forbidden if modules & PACKAGES)
    without_agent = next(
        set(each["source_modules"]) for each in contracts.values() if each.get("forbidden_modules") == ["strop_edge"]
    )
    without_pages = next(
        set(each["source_modules"]) for each in contracts.values() if each.get("forbidden_modules") == ["strop_web"]
    )
    assert without_pages == {service.package for service in services.ALL if not service.signs_in}
    assert without_agent == {service.package for service in services.ALL if not service.agent}


@each
def test_a_service_depends_on_agent_and_pages_where_declared(service: services.Service) -> None:
    member = tomllib.loads((ROOT / "services" / service.name / "pyproject.toml").read_text())

    # The Dockerfile goes by these lines.
    assert ("strop-edge" in member["project"]["dependencies"]) == service.agent
    assert ("strop[web]" in member["project"]["dependencies"]) == service.signs_in


def test_prometheus_scrapes_every_service() -> None:
    config = yaml.safe_load((ROOT / "deploy/grafana/prometheus.yml").read_text())
    names = config["scrape_configs"][0]["dns_sd_configs"][0]["names"]

    assert set(names) == {service.name for service in services.ALL}


@each
def test_compose_runs_a_service_as_declared(service: services.Service) -> None:
    container = COMPOSE["services"][service.name]

    assert container["build"]["args"]["SERVICE"] == service.name
    assert container["image"] == f"strop-{service.name}"
    published = [int(port) for text in container.get("ports", []) for port in re.findall(r":-(\d+)\}:8080", text)]
    assert published == ([service.published] if service.published else [])
    assert ("mosquitto" in container["depends_on"]) == service.mqtt


@each
def test_compose_gives_a_service_the_secrets_of_its_own_role(service: services.Service) -> None:
    given = {
        each["target"]: each["source"]
        for each in COMPOSE["services"][service.name]["secrets"]
        if isinstance(each, dict)
    }
    plain = {each for each in COMPOSE["services"][service.name]["secrets"] if isinstance(each, str)}

    assert given["database_url"] == f"database_url_{service.package}"
    assert "database_url" not in plain
    assert {f"strop-{service.name}.pem", f"strop-{service.name}.key"} <= plain or not service.mqtt
