import asyncio
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from strop_image import child as child_module
from strop_image import decoder, header, sandbox
from tests import bombs, wait
from tests.unit.strop_image import kinds

GOOD, _ = kinds.GOOD["JPEG"]
SERVICE = f"""
from strop_image import sandbox
pool = sandbox.shared()
pool.check({GOOD!r})
print(pool._free.get()._process.pid, flush=True)
input()
"""
Open = Callable[..., sandbox.Pool]


@pytest.fixture
def pool_of() -> Iterator[Open]:
    """Open a pool of one child with these limits."""
    opened = []

    def pool(**limits: float) -> sandbox.Pool:
        opened.append(sandbox.Pool(1, sandbox.Limits(**limits)))  # type: ignore[arg-type]
        return opened[-1]

    yield pool
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def slow() -> bytes:
    """An image that is accepted, and takes more than a second of processor time."""
    return bombs.scans(header.MAX_SCANS, (7_000, 7_000))


def child(pool: sandbox.Pool) -> psutil.Process:
    process = pool._children[0]._process
    assert process
    return psutil.Process(process.pid)


def test_pixels_are_those_of_the_decoder_in_this_process(pool_of: Open) -> None:
    large = kinds.encoded(kinds.scene().resize((4000, 3000)), "JPEG")

    found = pool_of().decode(large, 1000)

    assert np.array_equal(np.asarray(found), np.asarray(decoder.decode(large, 1000)))


def test_one_child_serves_many_images(pool_of: Open) -> None:
    pool = pool_of()
    pool.check(GOOD)
    first = child(pool).pid

    with pytest.raises(decoder.BadImage, match="cannot be decoded"):
        pool.check(GOOD[:200])
    pool.check(GOOD)

    assert child(pool).pid == first


def test_too_much_processor_time_is_refused_and_the_next_image_accepted(pool_of: Open, slow: bytes) -> None:
    pool = pool_of(cpu_seconds=0)  # the kernel counts whole seconds: less than one is left

    with pytest.raises(decoder.BadImage, match="takes more than 0 s of processor time"):
        pool.check(slow)

    pool.check(GOOD)


def test_too_much_memory_is_refused_and_the_next_image_accepted(pool_of: Open) -> None:
    pool = pool_of(memory=150 * 2**20)

    with pytest.raises(decoder.BadImage, match="needs more memory than there is"):
        pool.check(kinds.encoded(Image.new("1", (10_000, 5_000))))

    pool.check(GOOD)


def test_an_image_that_hangs_its_decoder_twice_is_refused(
    pool_of: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))

    with pytest.raises(decoder.BadImage, match=r"was not decoded within 0.2 s"):
        pool_of(seconds=0.2).check(GOOD)


def test_a_decoder_that_hangs_once_is_not_the_fault_of_the_image(pool_of: Open) -> None:
    pool = pool_of(seconds=5)
    pool.check(GOOD)
    child(pool).suspend()

    pool.check(GOOD)


@pytest.mark.parametrize("kind", [kind for kind in kinds.BAD if "too many" in kind])
def test_what_the_header_refuses_reaches_no_child(kind: str, pool_of: Open) -> None:
    pool = pool_of()

    with pytest.raises(decoder.BadImage):
        pool.check(kinds.BAD[kind])

    assert pool._children[0]._process is None


def test_a_crash_is_the_fault_of_the_image(pool_of: Open) -> None:
    pool = pool_of()
    pool.check(GOOD)
    child(pool).send_signal(signal.SIGSEGV)

    with pytest.raises(decoder.BadImage, match=r"crashes its decoder \(SIGSEGV\)"):
        pool.check(GOOD)

    pool.check(GOOD)


def test_a_kill_from_outside_is_not_the_fault_of_the_image(pool_of: Open) -> None:
    pool = pool_of()
    pool.check(GOOD)
    child(pool).kill()

    pool.check(GOOD)


def test_a_decoder_that_cannot_run_is_not_the_fault_of_the_image(
    pool_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))

    with pytest.raises(sandbox.Unavailable):
        pool_of().check(GOOD)


def test_a_child_gets_no_credentials(pool_of: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pool = pool_of()
    pool.check(GOOD)

    assert "AWS_SECRET_ACCESS_KEY" not in child(pool).environ()


def test_a_module_in_the_current_folder_is_not_imported(
    pool_of: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resource.py").write_text("raise SystemExit('a foreign module')")
    monkeypatch.chdir(tmp_path)

    pool_of().check(GOOD)


def test_a_child_with_a_half_read_answer_is_not_used_again(pool_of: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of()
    with monkeypatch.context() as patched:
        patched.setattr(child_module, "MAX_DATA", 10)  # the answer is longer: an error in the middle of it
        with pytest.raises(ValueError, match="a message of"):
            pool.decode(GOOD)

    assert pool.decode(GOOD).size == decoder.decode(GOOD).size


async def test_a_child_ends_with_the_service_that_started_it() -> None:
    pipe = asyncio.subprocess.PIPE
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVICE, stdin=pipe, stdout=pipe)
    assert service.stdout
    pid = int(await service.stdout.readline())
    assert not ended(pid)
    service.kill()
    await service.wait()

    async def look() -> bool:
        return ended(pid)

    await wait.until(look)


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
