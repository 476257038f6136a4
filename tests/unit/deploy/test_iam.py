"""The policies of deploy/aws/iam: valid, no wider than said, enough for the walkthrough, and explained line by line."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import walkthrough

FOLDER = walkthrough.ROOT / "deploy" / "aws" / "iam"
FILES = sorted(FOLDER.glob("*.json"))
RIGHTS = ("build", "operate", "detect", "remove")  # of people and programs
NOT_NARROWER = {"rekognition:DescribeProjects"}  # AWS knows no resource for these


def statements(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())["Statement"])


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def allowed(*names: str) -> set[str]:
    """The actions of some policies."""
    found = [each for name in names for each in statements(FOLDER / f"{name}.json")]
    return {action for each in found for action in listed(each["Action"])}


def test_cfn_lint_finds_nothing_in_them_and_would_find_what_is_wrong(tmp_path: Path) -> None:
    policies = {path.stem: json.loads(path.read_text()) for path in FILES}
    wrong = {
        "Effect": "Allow",
        "Resource": "arn:aws:s3:::b",
        "Action": ["rekognition:Nope", "rekognition:DeleteProject"],
    }
    policies["wrong"] = {"Version": "2012-10-17", "Statement": [wrong]}
    resources = {
        name.title(): {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policies[name]}}
        for name in (*RIGHTS, "wrong")
    }
    trust = {"AssumeRolePolicyDocument": policies["assume"]}
    bucket = {"Bucket": "flowers-111122223333", "PolicyDocument": policies["bucket"]}
    resources["Role"] = {"Type": "AWS::IAM::Role", "Properties": trust}
    resources["Bucket"] = {"Type": "AWS::S3::BucketPolicy", "Properties": bucket}

    found = lint(tmp_path, resources)

    assert {(each["Location"]["Path"][1], each["Rule"]["Id"]) for each in found} == {
        ("Wrong", "W3037"),  # no such action
        ("Wrong", "I3510"),  # not an action on such a resource
    }


def lint(folder: Path, resources: dict[str, Any]) -> list[dict[str, Any]]:
    """What cfn-lint says of these, in a template."""
    template = folder / "template.json"
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
    argv: list[str | Path] = [
        walkthrough.AWSCLI / "cfn-lint",
        "--include-checks",
        "I",
        "--format",
        "json",
        "--template",
        template,
    ]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("name", [*RIGHTS, "assume", "bucket"])
def test_nothing_is_allowed_by_a_wildcard(name: str) -> None:
    for each in statements(FOLDER / f"{name}.json"):
        if each["Effect"] == "Allow":
            assert not [action for action in listed(each["Action"]) if "*" in action]
            assert "*" not in listed(each.get("Resource", [])) or set(listed(each["Action"])) <= NOT_NARROWER
            assert each.get("Principal") != "*"


def test_who_asks_a_model_can_neither_start_nor_change_anything() -> None:
    assert allowed("detect") == {"rekognition:DetectCustomLabels", "s3:GetObject"}
    assert not allowed("operate") & allowed("detect")


def test_the_service_is_let_in_for_this_account_alone() -> None:
    for each in statements(FOLDER / "bucket.json"):
        if each["Effect"] == "Allow":
            assert each["Condition"]["StringEquals"]["aws:SourceAccount"] == "111122223333"


def test_together_they_allow_every_call_of_the_walkthrough() -> None:
    code = walkthrough.script(walkthrough.PAGE.read_text())
    commands = {each for each in re.findall(r"rekognition ([a-z]+-[a-z-]+)", code) if not each.startswith("project-")}
    called = {"".join(word.title() for word in command.split("-")) for command in commands}
    only_here = {"DistributeDatasetEntries"}  # of the section about a project of its own

    assert {"CreateProject", "DetectCustomLabels", "DeleteProject"} <= called
    missing = {f"rekognition:{name}" for name in called - only_here} - allowed(*RIGHTS)
    assert not missing


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_readme_explains_each_statement_and_each_action(path: Path) -> None:
    text = (FOLDER / "README.md").read_text()
    section = text.partition(f"\n## {path.name}\n")[2].partition("\n## ")[0]

    for each in statements(path):
        assert f"| {each['Sid']} |" in section
        if each["Effect"] == "Allow" and path.stem != "bucket":
            for action in listed(each["Action"]):
                assert action.partition(":")[2] in section
