"""What is taken out of an environment: the same for a shell that sources the list and for a process."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from strop_cli import isolation

SHELLS = [name for name in ("bash", "dash", "zsh") if shutil.which(name)]
FOREIGN = (
    *("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
    *("AWS_CA_BUNDLE", "AWS_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_MAX_ATTEMPTS", "PGSSLMODE", "PGSERVICE"),
    *("DATABASE_URL", "MQTT_URL", "STROP_TOKEN", "STROP_QUEUE_PREFIX", "STROP_MQTT_CA", "STROP_SECRETS_DIR"),
    *("STROP_HOST", "STROP_TRAINER_CACHE", "PYTHONHOME", "PYTHONSTARTUP", "ROTO_ACCOUNT_ID"),
)
OWN = ("AWS_PAGER", "AWS_CLI_AUTO_PROMPT", "STROP_TRAINER_MIN_LABELS", "STROP_TRACES", "OMP_NUM_THREADS", "https_proxy")
BASE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/", "LOGNAME": "ann"}
SHOW = f"{sys.executable} -Ic 'import json, os; print(json.dumps(dict(os.environ)))'"


def sourced(shell: str, env: dict[str, str], times: int = 1) -> dict[str, str]:
    """Return the environment of a strict shell that has sourced the list."""
    script = f"set -eu\n{isolation.SHELL * times}\n{SHOW}"
    done = subprocess.run([shutil.which(shell) or shell, "-c", script], env=env | BASE, capture_output=True, check=True)
    return {
        name: value for name, value in json.loads(done.stdout).items() if name not in {"PWD", "SHLVL", "_", "OLDPWD"}
    }


def cleaned(env: dict[str, str]) -> dict[str, str]:
    env = env | BASE
    isolation.clean(env)
    return env


@pytest.mark.parametrize("shell", SHELLS)
def test_what_others_set_is_taken_out_and_preferences_stay(shell: str) -> None:
    env = dict.fromkeys((*FOREIGN, *OWN), "line one\nPGHOST=line two")

    found = sourced(shell, env)

    assert found == cleaned(env)
    assert found.keys() == {*OWN, *BASE, "no_proxy", "NO_PROXY"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("127.0.0.1,localhost",) * 2),
        ({"no_proxy": "a.org"}, ("a.org,127.0.0.1,localhost",) * 2),
        ({"NO_PROXY": "a.org,localhost"}, ("a.org,localhost,127.0.0.1",) * 2),
        ({"no_proxy": "a.org", "NO_PROXY": "b.org"}, ("a.org,127.0.0.1,localhost", "b.org,127.0.0.1,localhost")),
        ({"no_proxy": "*"}, ("*", "*")),
        ({"no_proxy": ""}, ("127.0.0.1,localhost",) * 2),
    ],
)
def test_no_proxy_names_this_machine_once(shell: str, given: dict[str, str], expected: tuple[str, str]) -> None:
    for found in (sourced(shell, given, times=3), cleaned(cleaned(given))):
        assert (found["no_proxy"], found["NO_PROXY"]) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_a_certificate_bundle_that_is_gone_is_not_named(shell: str, tmp_path: Path) -> None:
    there = tmp_path / "it's there.pem"
    there.touch()
    env = {"SSL_CERT_FILE": str(there), "REQUESTS_CA_BUNDLE": str(tmp_path / "gone")}

    for found in (sourced(shell, env), cleaned(env)):
        assert found["SSL_CERT_FILE"] == str(there)
        assert "REQUESTS_CA_BUNDLE" not in found


def test_a_setting_in_small_letters_is_taken_out_of_a_process() -> None:
    assert "database_url" not in cleaned({"database_url": "postgresql://elsewhere"})
