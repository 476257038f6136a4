import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strop_cli import model_keys
from strop_edge import manifest, signature, store
from strop_edge.config import BadConfig
from strop_wire import messages
from tests.unit.edge import packages
from tests.unit.edge.test_store import deliver

PROJECT = "bottles"


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    folder = tmp_path / "installation"
    folder.mkdir()
    model_keys.make(folder)
    return folder


def keys(installation: Path, project: str = PROJECT) -> signature.Keys:
    return signature.Keys.read(installation / model_keys.PUBLIC, project)


def signed(package: packages.Package, installation: Path, project: str = PROJECT) -> packages.Package:
    return packages.signed(package, installation / model_keys.PRIVATE, project)


def load(tmp_path: Path, package: packages.Package, trusted: signature.Keys) -> str:
    models = store.Store(tmp_path / "device", trusted)
    return models.load(deliver(models, package), threads=1).version


def test_a_package_signed_by_the_installation_loads(tmp_path: Path, installation: Path) -> None:
    package = signed(packages.package("v1"), installation)

    assert load(tmp_path, package, keys(installation)) == "v1"


def test_a_signature_is_the_same_bytes_each_time(tmp_path: Path, installation: Path) -> None:
    first, second = (signed(packages.package("v1"), installation) for name in "ab")

    assert first.contents == second.contents


def test_a_device_without_keys_accepts_a_signed_package(tmp_path: Path, installation: Path) -> None:
    models = store.Store(tmp_path / "device")
    package = signed(packages.package("v1"), installation)

    assert models.load(deliver(models, package), threads=1).version == "v1"


def test_an_unsigned_package_is_refused(tmp_path: Path, installation: Path) -> None:
    with pytest.raises(manifest.BadModel, match="not signed"):
        load(tmp_path, packages.package("v1"), keys(installation))


def test_a_package_of_another_installation_is_refused(tmp_path: Path, installation: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    model_keys.make(other)
    package = signed(packages.package("v1"), other)

    with pytest.raises(manifest.BadModel, match="no signature of a key"):
        load(tmp_path, package, keys(installation))


def test_a_package_of_another_project_is_refused(tmp_path: Path, installation: Path) -> None:
    package = signed(packages.package("v1"), installation, project="cans")

    with pytest.raises(manifest.BadModel, match="signature of another model"):
        load(tmp_path, package, keys(installation))


def test_the_signature_of_another_version_is_refused(tmp_path: Path, installation: Path) -> None:
    first = signed(packages.package("v1"), installation)
    second = packages.with_signature(packages.package("v2", scale=5.0), first.contents[messages.SIGNATURE])

    with pytest.raises(manifest.BadModel, match="signature of another model"):
        load(tmp_path, second, keys(installation))


def test_a_model_json_altered_on_the_disk_is_refused_before_loading(tmp_path: Path, installation: Path) -> None:
    models = store.Store(tmp_path / "device", keys(installation))
    desired = deliver(models, signed(packages.package("v1"), installation))
    (path,) = (tmp_path / "device" / "versions").glob("*/model.json")
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(manifest.BadModel, match="missing or altered"):
        models.test(desired, 1, lambda: None)


def _other_payload(envelope: dict[str, Any]) -> None:
    envelope["payload"] = envelope["payload"][:-8] + "AAAAAAA="


def _other_signature(envelope: dict[str, Any]) -> None:
    envelope["signatures"][0]["sig"] = "A" * 86 + "=="


def _no_signature(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = []


def _other_type(envelope: dict[str, Any]) -> None:
    envelope["payloadType"] = "text/plain"


def _number(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = 7


@pytest.mark.parametrize("alter", [_other_payload, _other_signature, _no_signature, _other_type, _number])
def test_an_altered_envelope_is_refused(
    tmp_path: Path, installation: Path, alter: Callable[[dict[str, Any]], None]
) -> None:
    package = signed(packages.package("v1"), installation)
    envelope = json.loads(package.contents[messages.SIGNATURE])
    alter(envelope)

    with pytest.raises(manifest.BadModel, match=r"model\.sig"):
        load(tmp_path, packages.with_signature(package, json.dumps(envelope).encode()), keys(installation))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 10_000, b" " * (signature.MAX_BYTES + 1)])
def test_an_unreadable_signature_is_refused(tmp_path: Path, installation: Path, data: bytes) -> None:
    package = packages.with_signature(packages.package("v1"), data)

    with pytest.raises(manifest.BadModel, match=r"model\.sig"):
        load(tmp_path, package, keys(installation))


def test_keys_overlap_during_a_rotation_and_a_retired_key_is_refused(tmp_path: Path, installation: Path) -> None:
    before = keys(installation)
    old = signed(packages.package("v1"), installation)
    model_keys.rotate(installation)
    during = keys(installation)
    both = signed(packages.package("v2"), installation)
    model_keys.retire(installation)
    new = signed(packages.package("v3"), installation)

    for package, trusted in [(old, during), (both, before), (both, keys(installation)), (new, during)]:
        assert load(tmp_path, package, trusted) == package.version
    with pytest.raises(manifest.BadModel, match="no signature of a key"):
        load(tmp_path, old, keys(installation))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"k": {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "x"}}}',
        b'{"k": {}}',
    ],
)
def test_an_unusable_file_of_keys_is_an_error_that_names_it(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model-keys.json"
    path.write_bytes(data)

    with pytest.raises(BadConfig, match=r"model keys .*model-keys\.json"):
        signature.Keys.read(path, PROJECT)
