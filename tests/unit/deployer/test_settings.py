import pytest
from pydantic import ValidationError

from deployer.settings import Settings


def test_stages_come_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_DEPLOYER_STAGES", "[0.05, 0.25, 1]")

    assert Settings().stages == [0.05, 0.25, 1.0]


@pytest.mark.parametrize("stages", ["[]", "[0.5]", "[0.5, 0.25, 1]", "[0.5, 0.5, 1]", "[0, 1]", "[1, 1.5]"])
def test_stages_that_do_not_rise_to_the_whole_fleet_are_refused(monkeypatch: pytest.MonkeyPatch, stages: str) -> None:
    monkeypatch.setenv("STROP_DEPLOYER_STAGES", stages)

    with pytest.raises(ValidationError):
        Settings()
