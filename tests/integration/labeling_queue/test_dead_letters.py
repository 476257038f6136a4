"""The page of the dead letters."""

import re

from sqlalchemy import select

from strop import app
from strop_contracts import tables
from tests import roles
from tests.integration.labeling_queue.conftest import Ask


async def arrange(runtime: app.Runtime, *services: str, body: str = "{}") -> list[tables.DeadLetter]:
    made = [
        tables.DeadLetter(service=service, sha256=str(n), body=body, reason=f"reason {n}", count=n + 1)
        for n, service in enumerate(services)
    ]
    async with roles.arranging(runtime).begin() as session:
        session.add_all(made)
    return made


async def states(runtime: app.Runtime) -> list[str]:
    async with roles.arranging(runtime)() as session:
        return list(await session.scalars(select(tables.DeadLetter.state).order_by(tables.DeadLetter.sha256)))


async def test_letters_are_shown_with_service_reason_count_and_message(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime, "router", "trainer", body='{"label": "<b>ü</b>"}')

    page = (await (await ask("ada")).get("/dead-letters")).text

    assert "reason 0" in page
    assert "Once, " in page
    assert "2 times, first " in page
    assert "{\n  &#34;label&#34;: &#34;&lt;b&gt;ü&lt;/b&gt;&#34;\n}" in page
    assert "Retry all 2" in page


async def test_the_letters_of_one_service_are_shown_alone(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime, "router", "trainer")

    page = (await (await ask("ada")).get("/dead-letters", params={"service": "trainer"})).text

    assert "reason 0" not in page
    assert "reason 1" in page


async def test_a_letter_is_retried_and_another_dropped(ask: Ask, runtime: app.Runtime) -> None:
    first, second, _ = await arrange(runtime, "router", "router", "trainer")
    ada = await ask("ada")

    retried = await ada.post(f"/dead-letters/{first.id}/retry")
    dropped = await ada.post(f"/dead-letters/{second.id}/drop?service=router")

    assert (retried.status_code, retried.headers["location"]) == (303, "/dead-letters")
    assert (dropped.status_code, dropped.headers["location"]) == (303, "/dead-letters?service=router")
    assert await states(runtime) == ["retried", "dropped", "open"]
    async with roles.arranging(runtime)() as session:
        assert [each.queue for each in await session.scalars(select(tables.Outbox))] == ["router"]


async def test_all_letters_of_a_service_are_retried(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime, "router", "router", "trainer")

    await (await ask("ada")).post("/dead-letters/all/retry?service=router")

    assert await states(runtime) == ["retried", "retried", "open"]


async def test_all_letters_of_a_service_are_dropped(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime, "router", "router", "trainer")

    await (await ask("ada")).post("/dead-letters/all/drop?service=router")

    assert await states(runtime) == ["dropped", "dropped", "open"]


async def test_letters_that_came_after_the_page_was_made_are_not_dropped_with_all(
    ask: Ask, runtime: app.Runtime
) -> None:
    await arrange(runtime, "router", "trainer")
    ada = await ask("ada")
    (seen,) = set(re.findall('name="until" value="(.*?)"', (await ada.get("/dead-letters")).text))
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.DeadLetter(service="router", sha256="2", body="{}", reason="came meanwhile"))

    await ada.post("/dead-letters/all/drop", data={"until": seen})

    assert await states(runtime) == ["dropped", "dropped", "open"]


async def test_some_letters_are_retried_and_others_dropped(ask: Ask, runtime: app.Runtime) -> None:
    letters = await arrange(runtime, *["router"] * 5)
    ids = [str(letter.id) for letter in letters]
    ada = await ask("ada")

    retried = await ada.post("/dead-letters/selected/retry?service=router", data={"selected": ids[:2]})
    await ada.post("/dead-letters/selected/drop", data={"selected": ids[2:4]})

    assert (retried.status_code, retried.headers["location"]) == (303, "/dead-letters?service=router")
    assert await states(runtime) == ["retried", "retried", "dropped", "dropped", "open"]


async def test_when_none_is_selected_nothing_happens(ask: Ask, runtime: app.Runtime) -> None:
    await arrange(runtime, "router", "router")

    answer = await (await ask("ada")).post("/dead-letters/selected/drop")

    assert answer.status_code == 303
    assert await states(runtime) == ["open", "open"]


async def test_the_page_without_letters_states_it(ask: Ask) -> None:
    assert "There are no dead letters." in (await (await ask("ada")).get("/dead-letters")).text


async def test_who_is_not_signed_in_sees_and_decides_nothing(ask: Ask, runtime: app.Runtime) -> None:
    (letter,) = await arrange(runtime, "router")
    stranger = await ask("ada")
    del stranger.headers["authorization"]

    seen = await stranger.get("/dead-letters")
    decided = await stranger.post(f"/dead-letters/{letter.id}/drop")

    assert (seen.status_code, decided.status_code) == (401, 401)
    assert "reason 0" not in seen.text
    assert await states(runtime) == ["open"]


async def test_another_site_decides_nothing(ask: Ask, runtime: app.Runtime) -> None:
    (letter,) = await arrange(runtime, "router")

    answer = await (await ask("ada")).post(f"/dead-letters/{letter.id}/drop", headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403
    assert await states(runtime) == ["open"]


async def test_letters_are_grouped_by_reason_and_a_group_is_decided_on_as_a_whole(
    ask: Ask, runtime: app.Runtime
) -> None:
    letters = await arrange(runtime, *["router"] * 3, "trainer")
    async with roles.arranging(runtime).begin() as session:
        for letter in letters[:2]:
            (await session.get_one(tables.DeadLetter, letter.id)).reason = "no label"
    ada = await ask("ada")

    page = (await ada.get("/dead-letters")).text
    group = (await ada.get("/dead-letters?service=router&reason=no+label&project=bottles")).text
    answer = await ada.post("/dead-letters/all/drop?service=router&reason=no+label&project=bottles")

    assert "<b>2</b><span>router</span>" in page
    assert "Retry all 2" in group
    assert answer.headers["location"] == "/dead-letters?service=router&project=bottles"
    assert await states(runtime) == ["dropped", "dropped", "open", "open"]
