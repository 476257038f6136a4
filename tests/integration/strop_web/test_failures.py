from fastapi import APIRouter

from tests.integration.strop_web.conftest import Ask


async def test_unknown_address_is_a_page_for_browsers_and_json_for_programs(ask: Ask) -> None:
    async with await ask() as ada:
        page = await ada.get("/nowhere")
        answer = await ada.get("/nowhere", headers={"Accept": "*/*"})

    assert page.status_code == answer.status_code == 404
    assert "There is no page at this address." in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert answer.json() == {"detail": "Not Found"}


async def test_unsupported_method_is_a_page_for_browsers(ask: Ask) -> None:
    page = await (await ask()).delete("/")

    assert page.status_code == 405
    assert page.headers["allow"]
    assert "does not support this request" in page.text


async def test_unexpected_error_is_a_page_for_browsers_and_json_for_programs(ask: Ask) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    async with await ask(more=router) as ada:
        page = await ada.get("/broken")
        answer = await ada.get("/broken", headers={"Accept": "application/json"})

    assert page.status_code == answer.status_code == 500
    assert "The error is in its log." in page.text
    assert answer.json() == {"detail": "Internal Server Error"}
