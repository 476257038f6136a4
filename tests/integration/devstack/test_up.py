"""`strop up` as a person starts it, and the commands as a person types them."""

import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import pytest
from paho.mqtt import publish
from typer.testing import CliRunner

from strop_cli import envfile
from strop_contracts import errors
from strop_devstack import render
from strop_devstack.demo import folder
from tests import factories, wait
from tests.integration.cli.running import ask, client, say, until, up


def test_everything_is_ready_once_the_file_is_there(env: dict[str, str]) -> None:
    answer = httpx.get(f"{env['STROP_URL']}/readyz")

    assert answer.status_code == 200
    services = {"ingest", "router", "labeling-queue", "trainer", "deployer", "custom-labels", "console"}
    assert set(answer.json()) == {"database", *services}


def test_a_project_its_devices_and_its_base_images(strop: CliRunner, state: Path, tree: Path) -> None:
    say(strop, state, "projects create drinks")
    say(strop, state, "devices add drinks line-01 line-02")
    (tree / "train" / "clutter" / "bad.jpg").write_bytes(b"no image")

    first, again = (ask(strop, state, f"datasets import drinks {tree}") for _ in range(2))

    assert "drinks" in say(strop, state, "projects list")
    assert "line-02" in say(strop, state, "devices list drinks")
    assert f"refused {tree}/train/clutter/bad.jpg: neither JPEG, PNG nor WebP" in first.output
    assert "6 images accepted, 0 unchanged, 1 refused" in first.output
    assert "0 images accepted, 6 unchanged, 1 refused" in again.output
    assert (first.exit_code, again.exit_code) == (1, 1)


def test_base_images_follow_what_happens_to_them_in_the_bucket(
    strop: CliRunner, state: Path, env: dict[str, str], tree: Path
) -> None:
    say(strop, state, "projects create moved")
    (tree / "train/clutter/dangling.jpg").symlink_to("nowhere")
    imported = ask(strop, state, f"datasets import moved {tree}")
    assert "cannot use train/clutter/dangling.jpg: a link that leads nowhere" in imported.output
    assert imported.exit_code == 1
    s3, base = client(env), "moved/datasets/base"

    def check() -> str:
        return say(strop, state, "datasets check moved")

    before = s3.list_objects_v2(Bucket="strop", Prefix=f"{base}/train/clutter/")["Contents"]
    kept, removed = (each["Key"] for each in before[:2])

    s3.copy_object(Bucket="strop", Key=f"{base}/train/soda-can/moved.jpg", CopySource={"Bucket": "strop", "Key": kept})
    s3.put_object(Bucket="strop", Key=f"{base}/train/.git/x.jpg", Body=b"x")
    conflicted = until(check, lambda shown: "label conflict" in shown)
    assert "moved.jpg counts as 'soda-can', the newest place" in conflicted
    assert f"1 left out, hidden: {base}/train/.git/x.jpg" in conflicted
    s3.delete_object(Bucket="strop", Key=kept)
    s3.delete_object(Bucket="strop", Key=removed)

    shown = until(check, lambda shown: "label conflict" not in shown and "train │ clutter" not in shown)
    assert "train │ soda-can │ 3" in shown

    kept = ask(strop, state, f"datasets import moved {tree}").output
    assert "1 kept, not in the folder any more (--delete removes them): train/soda-can/moved.jpg" in kept
    assert "label conflict: " in kept
    assert "--delete needs a folder" in str(ask(strop, state, f"datasets import moved {tree} --delete").exception)
    (tree / "train/clutter/dangling.jpg").unlink()
    followed = ask(strop, state, f"datasets import moved {tree} --delete").output
    assert "1 removed, not in the folder any more: train/soda-can/moved.jpg" in followed
    assert "label conflict: " not in followed
    assert "train │ soda-can │ 2" in check()


def test_a_wrong_name_is_refused_by_every_command(strop: CliRunner, state: Path, tree: Path) -> None:
    for command in (
        f"datasets import no {tree}",
        "train no",
        "models list no",
        "policy show no",
        "policy set no low=0.1",
        "devices add no one",
        "devices list no",
    ):
        with pytest.raises(Exception, match="there is no project no"):
            say(strop, state, command)
    with pytest.raises(Exception, match="nothing is deployed in no"):
        say(strop, state, "rollback no v1")


def test_a_training_that_can_learn_nothing_is_refused_at_once(strop: CliRunner, state: Path) -> None:
    say(strop, state, "projects create bare")

    with pytest.raises(errors.Refused, match="at least 2 labels and bare has none: import a base set"):
        say(strop, state, "train bare")
    assert "latest training run: none yet" in say(strop, state, "models list bare")


def test_a_training_is_waited_for_and_its_outcome_shown(strop: CliRunner, state: Path, tree: Path) -> None:
    (tree / "notes.txt").touch()
    say(strop, state, "projects create trained")
    say(strop, state, "devices add trained line-8")
    assert "1 left out, no image by name: notes.txt" in say(strop, state, f"datasets import trained {tree}")

    told = say(strop, state, "train trained --wait")
    assert "v1 approved:\n  first model, base: 2 of 2 right" in told
    assert told.partition("v1 approved")[2] in (listed := say(strop, state, "models list trained"))
    assert "latest training run: v1 approved" in listed
    assert "100.0% of 2" in listed

    deadline = time.monotonic() + wait.PATIENCE
    while "waiting for line-8 (never seen)" not in (shown := say(strop, state, "status")):
        assert time.monotonic() < deadline, shown
    assert "v1 stage 1 of" in shown
    with pytest.raises(errors.Refused, match="model version 1 is the one to be taken back"):
        say(strop, state, "rollback trained v1")


def test_a_policy_is_shown_and_changed(strop: CliRunner, state: Path) -> None:
    say(strop, state, "projects create picky")

    assert "the defaults" in say(strop, state, "policy show picky")
    say(strop, state, "policy set picky low=0.25 device_per_hour=7")

    shown = [line.split("│")[1:4] for line in say(strop, state, "policy show picky").splitlines() if "│" in line]
    values = {name.strip(): (value.strip(), meaning.strip()) for name, value, meaning in shown}
    assert values["low"] == ("0.25", "below: uncertain, always wanted")
    assert values["device_per_hour"][0] == "7"
    for wrong in ("low=2", "lows=0.1"):
        with pytest.raises(errors.Refused, match="low"):
            say(strop, state, f"policy set picky {wrong}")


def test_a_shell_that_sources_the_file_finds_the_command(state: Path) -> None:
    script = 'source "$1"; command -v strop; strop projects list'
    done = subprocess.run(
        ["bash", "-c", script, "-", state / "strop.env"], check=True, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip

    assert Path(done.stdout.splitlines()[0]).parent == Path(sysconfig.get_path("scripts"))


def test_the_token_of_the_file_and_a_made_one_open_the_api(strop: CliRunner, state: Path, env: dict[str, str]) -> None:
    say(strop, state, "projects create open")
    made = say(strop, state, "token create robot --role labeler").strip()

    for token, expected in ((env["STROP_TOKEN"], 200), (made, 200), ("wrong", 401)):
        answer = httpx.get(
            f"{env['STROP_URL']}/api/projects/open/progress", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == expected


def test_dead_letters_are_listed_shown_retried_and_dropped(strop: CliRunner, state: Path, env: dict[str, str]) -> None:
    stranger = factories.announcement(b"bytes")
    port = urlsplit(env["MQTT_URL"]).port
    assert port
    publish.single("strop/empty/nobody/capture", stranger.dumps(), 1, hostname="127.0.0.1", port=port)

    letter = dead_letter(strop, state)
    listed = say(strop, state, "dlq list")
    assert "    device nobody of project empty is not enrolled: `strop devices add empty nobody`\n" in listed
    assert stranger.id in (shown := say(strop, state, f"dlq show {letter}"))
    assert "device nobody of project empty is not enrolled" in shown
    assert "failed    once" in shown
    assert "`strop dlq list` shows the dead letters" in say(strop, state, "status")
    assert "0 open" in say(strop, state, "dlq list --service router")

    assert "1 sent again" in say(strop, state, f"dlq retry {letter}")
    assert dead_letter(strop, state) == letter  # the device is still unknown
    assert "failed    2 times" in say(strop, state, f"dlq show {letter}")

    assert "1 dropped" in say(strop, state, "dlq drop --all --service ingest")
    assert "0 open" in say(strop, state, "dlq list")
    assert "dropped" in say(strop, state, f"dlq show {letter}")
    with pytest.raises(Exception, match=f"nothing is changed: {letter} was dropped"):
        say(strop, state, f"dlq drop {letter}")
    unknown = uuid4()
    with pytest.raises(Exception, match=f"there is no dead letter {unknown}"):
        say(strop, state, f"dlq retry {unknown}")
    with pytest.raises(Exception, match="name the letters by their ids"):
        say(strop, state, "dlq retry")


def dead_letter(strop: CliRunner, state: Path) -> str:
    """The id of the only open letter, once there is one."""
    deadline = time.monotonic() + wait.PATIENCE
    while "1 open" not in (shown := say(strop, state, "dlq list")):
        assert time.monotonic() < deadline, shown
    return next(word for word in shown.split() if len(word) == 36 and word.count("-") == 4)


def test_a_sign_in_link_works_once(strop: CliRunner, state: Path, env: dict[str, str]) -> None:
    link = say(strop, state, f"token create anna --role labeler --link {env['STROP_URL']}").strip()

    page, _, token = link.partition("?token=")
    assert httpx.get(link).status_code == 200
    assert [httpx.post(page, data={"token": token}).status_code for _ in range(2)] == [303, 401]


def test_up_continues_its_state_and_ends_when_a_server_crashes(strop: CliRunner, tmp_path: Path) -> None:
    with up(tmp_path) as first:
        before = envfile.read(tmp_path / "strop.env")
        say(strop, tmp_path, "projects create kept")
        first.send_signal(signal.SIGINT)  # Ctrl-C
        shown, _ = first.communicate()
    assert first.returncode == 0
    assert "/sign-in?token=" in shown
    assert "stopped; nothing is lost" in shown
    assert not (tmp_path / "strop.env").exists()

    with up(tmp_path) as second:
        assert envfile.read(tmp_path / "strop.env") == before
        assert "kept" in say(strop, tmp_path, "projects list")
        broker = next(p for p in psutil.Process(second.pid).children() if "mqtt/" in " ".join(p.cmdline()))
        broker.kill()
        shown, _ = second.communicate()
    assert second.returncode == 1
    assert "strop: mqtt stopped with exit code -9" in shown
    assert not (tmp_path / "strop.env").exists()


def test_up_on_the_folder_of_a_demo_continues_its_platform(strop: CliRunner, tmp_path: Path) -> None:
    folder.renew(tmp_path)
    with up(folder.platform(tmp_path)):  # as a demo runs it
        say(strop, tmp_path, "projects create of-the-demo")
        before = envfile.read(tmp_path / "strop.env")

    with up(tmp_path):
        assert envfile.read(tmp_path / "strop.env") == before
        assert "of-the-demo" in say(strop, tmp_path, "projects list")

    refused = ask(strop, tmp_path, "demo")
    assert "a demo starts from nothing: give another --state" in str(refused.exception)
    assert folder.platform(tmp_path).exists()


def test_a_port_in_use_is_an_error_of_one_line(state: Path, env: dict[str, str], tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "strop_cli", "up", "--state", str(tmp_path), "--port", env["STROP_PORT"]]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == f"strop: port {env['STROP_PORT']} is taken: choose another, or leave --port out\n"


def in_s3(env: dict[str, str], bucket: str, objects: dict[str, bytes]) -> None:
    """A bucket of the person's own, made and filled with the region of the profile."""
    s3 = client(env)
    s3.create_bucket(Bucket=bucket)
    for key, body in objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def test_folders_in_s3_become_a_hosted_data_set_and_bad_images_are_named(
    strop: CliRunner, state: Path, env: dict[str, str], tmp_path: Path
) -> None:
    pictures = {
        f"f/train/{n % 2 + 1}/sub/{n} ü+.jpg": render.render(("soda-can", "clutter")[n % 2], n) for n in range(6)
    }
    in_s3(env, "mine", {**pictures, "f/train/x.jpg": render.render("clutter", 9), "f/train/1/bad.png": b"no image"})
    (tmp_path / "names.json").write_text('{"1": "pink primrose", "2": "hard-leaved pocket orchid"}')
    command = f"datasets import roses s3://mine/f/train --auto-label --names {tmp_path}/names.json"

    with pytest.raises(errors.NotFound, match="there is no project roses: --create creates it"):
        say(strop, state, command)
    first, again = ask(strop, state, f"{command} --create"), ask(strop, state, command)

    assert (first.exit_code, again.exit_code) == (1, 1)
    for done in (first, again):
        assert "bad s3://mine/f/train/1/bad.png: ERROR_INVALID_IMAGE" in done.output
        assert (
            "roses TRAIN: 8 images, 6 of them with one of 2 labels, 1 bad; manifest s3://mine/f/train.manifest"
            in done.output
        )


def test_a_local_folder_becomes_a_hosted_data_set(strop: CliRunner, state: Path, tree: Path) -> None:
    shown = say(strop, state, f"datasets import tulips {tree / 'train'} --auto-label --type test --create")

    assert (
        "tulips TEST: 4 images, 4 of them with one of 2 labels, 0 bad; manifest s3://strop/tulips/import/test.manifest"
        in shown
    )

    (tree / "train/clutter/0 ü+.jpg").rename(tree / "train/soda-can/moved.jpg")
    again = say(strop, state, f"datasets import tulips {tree / 'train'} --auto-label --type test")
    assert "1 kept in the data set, not in the folder any more" in again
    assert "tulips/import/test/clutter/0 ü+.jpg" in again


def test_a_failed_data_set_has_a_reason_and_is_created_again(
    strop: CliRunner, state: Path, env: dict[str, str], tree: Path
) -> None:
    in_s3(env, "moss", {f"{number}/x.jpg": b"no image" for number in range(2)})

    failed = ask(strop, state, "datasets import moss s3://moss --auto-label --create")
    again = say(strop, state, f"datasets import moss {tree / 'train'} --auto-label")

    assert failed.exit_code == 1
    assert "CREATE_FAILED: ERROR_TOO_MANY_RECORDS_IN_ERROR" in failed.output
    assert "moss TRAIN: 4 images, 4 of them with one of 2 labels, 0 bad" in again


def test_an_error_of_s3_is_reported_with_its_code(strop: CliRunner, state: Path) -> None:
    with pytest.raises(errors.StropError, match="ListObjectsV2: NoSuchBucket"):
        say(strop, state, "datasets import ferns s3://nobodys/ --auto-label --create")
