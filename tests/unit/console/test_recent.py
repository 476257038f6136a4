import pytest

from console import recent


async def test_a_report_is_made_again_once_it_is_too_old() -> None:
    now, made = [0.0], []

    async def make() -> int:
        made.append(now[0])
        return len(made)

    kept = recent.Recent(5, lambda: now[0])
    first = await kept.get("bottles", make)
    now[0] = 4.9
    second = await kept.get("bottles", make)
    other = await kept.get("cans", make)
    now[0] = 5.0
    third = await kept.get("bottles", make)

    assert (first, second, other, third) == (1, 1, 2, 3)


async def test_a_failure_is_not_kept() -> None:
    async def fail() -> int:
        raise OSError("no route")

    async def make() -> int:
        return 1

    kept = recent.Recent(5, lambda: 0.0)
    with pytest.raises(OSError, match="no route"):
        await kept.get("bottles", fail)

    assert await kept.get("bottles", make) == 1
