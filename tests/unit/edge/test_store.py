import json
from pathlib import Path

import pytest

from strop_edge import manifest, store
from strop_wire import messages
from tests.unit.edge import packages

V1, V2, V3 = (packages.package(f"v{n}", scale=float(n * 5)) for n in (1, 2, 3))


@pytest.fixture
def models(tmp_path: Path) -> store.Store:
    return store.Store(tmp_path)


def deliver(models: store.Store, package: packages.Package) -> messages.Desired:
    desired = package.desired()
    for file in models.missing(desired).values():
        models.partial(file).write_bytes(package.by_hash[file.sha256])
        models.keep(file)
    models.assemble(desired)
    return desired


def test_a_delivered_model_loads(models: store.Store) -> None:
    desired = deliver(models, V1)

    assert models.load(desired, threads=1).version == "v1"


def test_what_is_wanted_outlives_the_process_until_it_is_withdrawn(models: store.Store, tmp_path: Path) -> None:
    for desired in (V1.desired(), V2.desired()):
        models.want(desired)
        assert store.Store(tmp_path).wanted() == desired

    models.want(None)
    models.want(None)

    assert store.Store(tmp_path).wanted() is None


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"deployment": 1}'])
def test_what_is_wanted_counts_as_nothing_when_it_cannot_be_read(
    models: store.Store, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / store.WANTED).write_bytes(data)

    assert models.wanted() is None


def test_a_second_model_lacks_only_what_is_new(models: store.Store) -> None:
    deliver(models, V1)

    assert set(models.missing(V2.desired())) == {"model.json", "head.onnx"}
    assert models.missing(V1.desired()) == {}


@pytest.mark.parametrize("data", [b"", b"x" * 100])
def test_a_wrong_download_is_refused_and_gone(models: store.Store, data: bytes) -> None:
    file = V1.files["head.onnx"]
    models.partial(file).write_bytes(data)

    with pytest.raises(store.Corrupt):
        models.keep(file)
    assert not models.partial(file).exists()
    assert "head.onnx" in models.missing(V1.desired())


def test_a_file_that_rots_counts_as_missing(models: store.Store, tmp_path: Path) -> None:
    desired = deliver(models, V1)
    file = desired.files["backbone.onnx"]
    rot(tmp_path / "files" / file.sha256)

    assert models.missing(desired) == {"backbone.onnx": file}
    with pytest.raises(manifest.BadModel, match="sha256"):
        models.load(desired, threads=1)


def rot(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_manifest_other_than_desired_is_refused(models: store.Store) -> None:
    desired = deliver(models, V1)
    (folder,) = (models._folder / "versions").iterdir()
    rot(folder / "model.json")

    with pytest.raises(manifest.BadModel, match=r"model\.json is missing or altered"):
        models.load(desired, threads=1)


def test_a_manifest_of_another_version_is_refused(models: store.Store) -> None:
    desired = deliver(models, V1)
    other = messages.Desired(desired.deployment, "v9", desired.files, desired.policy)

    with pytest.raises(manifest.BadModel, match="of version v1, expected v9"):
        models.load(other, threads=1)


def test_files_other_than_the_manifest_names_are_refused(models: store.Store) -> None:
    mixed = packages.Package("v1", {**V1.contents, "head.onnx": V2.contents["head.onnx"]})
    desired = deliver(models, mixed)

    with pytest.raises(manifest.BadModel, match=r"head\.onnx: sha256"):
        models.load(desired, threads=1)


def test_a_version_cannot_lead_out_of_the_folder(models: store.Store, tmp_path: Path) -> None:
    package = packages.package("../../../outside")

    desired = deliver(models, package)

    assert models.load(desired, threads=1).version == "../../../outside"
    assert not list(tmp_path.parent.glob("outside*"))


def test_the_pointer_keeps_current_and_previous(models: store.Store, tmp_path: Path) -> None:
    running = store.Running(V2.desired("d2"), V1.desired("d1"))

    models.switch(running)

    assert models.running() == running
    assert store.Store(tmp_path).running() == running


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"current": 1, "previous": null}', '{"current": {}}'])
def test_an_unreadable_pointer_means_nothing_runs(models: store.Store, tmp_path: Path, text: str) -> None:
    (tmp_path / store.POINTER).write_text(text)

    assert models.running() == store.Running()


def test_pruning_keeps_what_current_and_previous_need(models: store.Store, tmp_path: Path) -> None:
    one, two, three = (deliver(models, package) for package in (V1, V2, V3))
    models.partial(messages.ModelFile("0" * 64, 1)).write_bytes(b"left over")

    models.prune(store.Running(three, two))

    assert {path.name for path in (tmp_path / "files").iterdir()} == {
        file.sha256 for desired in (two, three) for file in desired.files.values()
    }
    assert models.load(two, 1).version == "v2"
    assert models.load(three, 1).version == "v3"
    with pytest.raises(manifest.BadModel):
        models.load(one, 1)


def test_assembling_again_replaces_what_was_there(models: store.Store) -> None:
    desired = deliver(models, V1)
    (folder,) = (models._folder / "versions").iterdir()
    (folder / "head.onnx").unlink()
    (folder / "head.onnx").write_bytes(b"half")

    models.assemble(desired)

    assert models.load(desired, 1).version == "v1"


def test_without_hard_links_files_are_copied(models: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    assert models.load(deliver(models, V1), 1).version == "v1"


def test_the_pointer_is_json_that_people_can_read(models: store.Store, tmp_path: Path) -> None:
    models.switch(store.Running(V1.desired("d1")))

    assert json.loads((tmp_path / store.POINTER).read_text())["current"]["model"] == "v1"
