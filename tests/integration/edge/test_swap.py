"""Model changes against a real HTTP server; the answers to `fetch` come from the test."""

import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strop_edge import fetch, store, swap
from strop_wire import messages, reports
from tests.integration.edge import web as webs
from tests.integration.edge.cloud import until
from tests.integration.edge.web import Web
from tests.unit.edge import packages

V1, V2 = packages.package("v1"), packages.package("v2", scale=5.0)
HEAD = V1.files["head.onnx"]
pytestmark = pytest.mark.usefixtures("_impatient")


class Lab:
    """A swapper with a cloud that grants every `fetch`, as long as it is `online` and `answers`."""

    def __init__(self, folder: Path, web: Web) -> None:
        self.web, self.folder = web, folder
        self.url = web.url  # of what is granted
        self.online = self.answers = True
        self.fetches: list[str] = []
        self.errors: list[str] = []
        self.reports: list[str | None] = []
        self.swapper = swap.Swapper(
            store.Store(folder),
            ssl.create_default_context(),
            1,
            ask=self._ask,
            report=lambda: self.reports.append(self.version),
            on_error=self.errors.append,
        )

    @property
    def version(self) -> str | None:
        return self.swapper.running.model.version if self.swapper.running else None

    def _ask(self, fetch: messages.Fetch) -> bool:
        if self.online:
            self.fetches.extend(fetch.files)
            if self.answers:
                self.grant(*fetch.files)
        return self.online

    def grant(self, *files: str) -> None:
        self.swapper.take_grants(messages.FileGrant(sha256, 1, f"{self.url}/{sha256}") for sha256 in files)

    def offer(self, package: packages.Package, deployment: str = "d1") -> None:
        self.web.objects.update({f"/{sha256}": data for sha256, data in package.by_hash.items()})
        self.swapper.take_desired(package.desired(deployment))

    def outcome(self, deployment: str = "d1") -> reports.Outcome:
        found: reports.Outcome = until(
            lambda: (
                self.swapper.answer if self.swapper.answer and self.swapper.answer.deployment == deployment else None
            )
        )
        return found


@pytest.fixture
def make_lab(tmp_path: Path, web: Web) -> Iterator[Callable[[], Lab]]:
    made: list[Lab] = []

    def make() -> Lab:
        made.append(Lab(tmp_path, web))
        made[-1].swapper.start()
        return made[-1]

    yield make
    for lab in made:
        lab.swapper.stop()


@pytest.fixture
def lab(make_lab: Callable[[], Lab]) -> Lab:
    return make_lab()


def test_downloads_that_break_off_are_resumed_as_long_as_they_advance(lab: Lab) -> None:
    lab.web.cut = [500] * 10

    lab.offer(V1)

    assert lab.outcome().outcome == "installed"
    assert len(lab.fetches) > 10


def test_a_damaged_download_is_tried_again(lab: Lab) -> None:
    lab.web.spoil = 2

    lab.offer(V1)

    assert lab.outcome().outcome == "installed"
    assert len(lab.fetches) == 5


def test_a_download_that_stays_damaged_fails_with_the_reason(lab: Lab) -> None:
    lab.offer(V1)
    lab.outcome()
    lab.web.spoil = 100
    lab.offer(V2, "d2")

    outcome = lab.outcome("d2")

    assert (outcome.outcome, lab.version) == ("failed", "v1")
    assert "sha256" in outcome.reason
    assert not list((lab.folder / "files").glob("*.part"))


def told(lab: Lab, trouble: str) -> None:
    """Wait until the trouble was told more often than a file may arrive damaged; it is no answer."""
    until(lambda: len([error for error in lab.errors if trouble in error]) > fetch.ATTEMPTS)
    assert lab.swapper.answer is None


def test_a_file_that_is_nowhere_is_asked_for_until_it_is_there(lab: Lab) -> None:
    lab.swapper.take_desired(V1.desired())
    told(lab, "404")

    lab.web.objects.update({f"/{sha256}": data for sha256, data in V1.by_hash.items()})

    assert lab.outcome().outcome == "installed"


def test_an_expired_url_is_fetched_again(lab: Lab) -> None:
    lab.web.statuses = [403] * 10

    lab.offer(V1)

    assert lab.outcome().outcome == "installed"
    assert len(lab.fetches) == 13


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens, nor will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_server_that_cannot_be_reached_is_tried_until_it_can(lab: Lab, nobody: str) -> None:
    lab.url = nobody
    lab.offer(V1)
    told(lab, "Connection refused")

    lab.url = lab.web.url

    assert lab.outcome().outcome == "installed"


def test_a_newer_wish_ends_the_trouble_with_the_older_one(lab: Lab, nobody: str) -> None:
    lab.url = nobody
    lab.offer(V1, "d1")
    told(lab, "Connection refused")

    lab.offer(V2, "d2")
    lab.url = lab.web.url

    assert lab.outcome("d2").outcome == "installed"
    assert [change.version for change in lab.swapper.swaps] == ["v2"]


def test_a_full_disk_is_tried_until_there_is_room(tmp_path: Path) -> None:
    """In a process of its own, since the limit that stands in for a full disk holds for all of it."""
    here = f"import pathlib; from {__name__} import install_on_a_full_disk as install"
    argv = [sys.executable, "-c", f"{here}; install(pathlib.Path({str(tmp_path)!r}))"]
    subprocess.run(argv, cwd=Path(__file__).parents[3], check=True, timeout=60)


def install_on_a_full_disk(folder: Path) -> None:
    fetch.FIRST_WAIT = 0.01
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HEAD.size // 2, most))
    with webs.serving() as web:
        lab = Lab(folder, web)
        lab.swapper.start()
        lab.offer(V1)
        told(lab, "File too large")
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        assert lab.outcome().outcome == "installed"
        lab.swapper.stop()


def test_while_offline_nothing_fails(lab: Lab) -> None:
    lab.online = False
    lab.offer(V1)
    assert lab.swapper.answer is None

    lab.online = True

    assert lab.outcome().outcome == "installed"


def test_a_fetch_without_an_answer_is_sent_again(lab: Lab) -> None:
    lab.answers = False
    lab.offer(V1)
    until(lambda: len(lab.fetches) >= 2)
    assert "does not say where" in lab.errors[0]

    lab.answers = True

    assert lab.outcome().outcome == "installed"


def test_a_newer_wish_ends_the_older_one(lab: Lab) -> None:
    lab.answers = False
    lab.offer(V1, "d1")
    until(lambda: lab.fetches)

    lab.offer(V2, "d2")
    lab.answers = True

    assert lab.outcome("d2").outcome == "installed"
    assert lab.version == "v2"
    assert [change.version for change in lab.swapper.swaps] == ["v2"]


def test_the_same_wish_again_does_not_start_over(lab: Lab) -> None:
    lab.answers = False
    lab.offer(V1)
    until(lambda: lab.fetches)
    first = lab.fetches[0]

    lab.offer(V1)
    lab.grant(*V1.by_hash)

    assert lab.outcome().outcome == "installed"
    assert lab.web.asked("GET")[0][0] == f"/{first}"


def test_it_stops_in_the_middle_and_the_next_start_resumes(make_lab: Callable[[], Lab], web: Web) -> None:
    first = make_lab()
    first.online = False
    first.offer(V1)
    until(lambda: first.swapper._doing)
    first.swapper.stop()
    partial = store.Store(first.folder).partial(HEAD)
    partial.write_bytes(V1.contents["head.onnx"][:1000])

    second = make_lab()
    second.offer(V1)

    assert second.outcome().outcome == "installed"
    ranges = {path: headers.get("range") for path, headers in web.asked("GET")}
    assert ranges[f"/{HEAD.sha256}"] == "bytes=1000-"


def unfinished(make_lab: Callable[[], Lab]) -> Lab:
    """A lab whose swapper was stopped in the middle of its change from v1 to v2."""
    lab = make_lab()
    lab.offer(V1, "d1")
    lab.outcome("d1")
    lab.answers = False
    lab.offer(V2, "d2")
    until(lambda: lab.fetches[-1] in V2.by_hash)
    lab.swapper.stop()
    return lab


def test_a_restart_continues_a_change_that_is_not_published_again(make_lab: Callable[[], Lab]) -> None:
    unfinished(make_lab)

    second = make_lab()
    assert second.version == "v1"
    second.swapper.resume()

    assert second.outcome("d2").outcome == "installed"
    assert second.version == "v2"


def test_what_the_cloud_asks_for_after_a_restart_takes_the_place_of_the_unfinished_change(
    make_lab: Callable[[], Lab],
) -> None:
    unfinished(make_lab)

    second = make_lab()
    second.offer(V1, "d3")
    second.swapper.resume()

    assert second.outcome("d3").outcome == "installed"
    assert second.swapper.expected is None
    assert second.version == "v1"


def test_a_withdrawn_change_is_not_gone_on_with(make_lab: Callable[[], Lab]) -> None:
    unfinished(make_lab)
    second = make_lab()
    second.swapper.take_desired(None)
    second.swapper.stop()

    third = make_lab()
    for lab in (second, third):
        lab.swapper.resume()
        assert lab.swapper.expected is None


def test_a_disk_that_does_not_keep_what_is_wanted_does_not_hold_up_the_change(lab: Lab) -> None:
    (lab.folder / store.WANTED).mkdir()

    lab.offer(V1)

    assert lab.outcome().outcome == "installed"
    assert "not kept over a restart" in lab.errors[0]


def test_the_last_model_runs_after_a_restart(make_lab: Callable[[], Lab]) -> None:
    first = make_lab()
    for package, deployment in ((V1, "d1"), (V2, "d2")):
        first.offer(package, deployment)
        first.outcome(deployment)
    first.swapper.stop()

    second = make_lab()

    assert second.version == "v2"
    assert second.swapper.answer == reports.Outcome("d2", "installed")
    assert second.swapper.ready.is_set()


def test_when_both_models_are_damaged_it_fetches_the_current_one(make_lab: Callable[[], Lab]) -> None:
    first = make_lab()
    for package, deployment in ((V1, "d1"), (V2, "d2")):
        first.offer(package, deployment)
        first.outcome(deployment)
    first.swapper.stop()
    for file in (first.folder / "files").iterdir():
        file.write_bytes(b"rotten")

    second = make_lab()

    assert second.outcome("d2").outcome == "installed"
    assert second.version == "v2"
    assert len(second.errors) == 2


def test_a_disk_that_refuses_the_switch_leaves_the_old_model_until_it_takes_it(lab: Lab) -> None:
    lab.offer(V1)
    lab.outcome()
    pointer, aside = lab.folder / store.POINTER, lab.folder / "aside"
    pointer.rename(aside)
    pointer.mkdir()  # no file can take its place
    lab.offer(V2, "d2")
    until(lambda: len(lab.errors) > fetch.ATTEMPTS)

    with lab.swapper.switching:
        assert lab.version == "v1"
    assert lab.swapper.answer == reports.Outcome("d1", "installed")
    assert "Is a directory" in lab.errors[-1]

    pointer.rmdir()
    aside.rename(pointer)
    assert lab.outcome("d2").outcome == "installed"
    assert lab.version == "v2"


def test_a_switch_is_reported(lab: Lab) -> None:
    lab.offer(V1)
    lab.outcome()
    until(lambda: len(lab.reports) == 1)

    lab.offer(V2, "d2")
    lab.outcome("d2")
    until(lambda: len(lab.reports) == 2)

    assert lab.reports == ["v1", "v2"]
