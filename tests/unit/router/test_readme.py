"""The table of the policy in the README is the policy."""

from router import rules
from tests.conftest import ROOT


def test_every_value_of_the_policy_is_in_the_readme_with_its_default() -> None:
    text = (ROOT / "services/router/README.md").read_text()
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:3]] for line in text.splitlines() if "|" in line]

    for name, field in rules.Policy.model_fields.items():
        assert [name, str(field.default)] in rows
