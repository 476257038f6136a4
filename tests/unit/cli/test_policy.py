"""How values of a policy are read from the command line."""

import pytest

from strop_cli import policy
from strop_contracts import errors


def test_names_and_values_are_read() -> None:
    assert policy.changes(["low=0.5", "measure=confidence"]) == {"low": "0.5", "measure": "confidence"}


@pytest.mark.parametrize(("values", "said"), [(["low"], "'low' is not NAME=VALUE"), (["low=0", "low=1"], "once")])
def test_what_cannot_be_meant_is_refused(values: list[str], said: str) -> None:
    with pytest.raises(errors.Refused, match=said):
        policy.changes(values)
