import pytest

from strop_web import auth


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://strop:8080", "host": "strop:8080"}, False),
        ({"origin": "http://strop:8080", "host": "strop:8080"}, True),
        ({"origin": "http://strop:9090", "host": "strop:8080"}, False),
        ({"origin": "null", "host": "strop:8080"}, False),
        ({"host": "strop:8080"}, True),
    ],
)
def test_a_browser_may_change_things_only_from_our_own_pages(headers: dict[str, str], *, ours: bool) -> None:
    assert auth.same_origin(headers) is ours
