"""Tokens continue the request that they were made for, and no other."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_labels.api import faults, paging

REQUEST = {"ProjectArn": "arn", "MaxResults": 2}


def test_a_token_continues_its_request_with_another_size_of_page() -> None:
    token = paging.write("ListProjectPolicies", REQUEST, "copy")

    assert paging.read("ListProjectPolicies", {**REQUEST, "MaxResults": 5, "NextToken": token}) == "copy"
    assert paging.read("ListProjectPolicies", REQUEST) is None


def test_an_empty_token_is_the_first_page() -> None:
    assert paging.read("ListProjectPolicies", {**REQUEST, "NextToken": ""}) is None
    assert paging.number("ListDatasetEntries", {"NextToken": ""}) is None


def test_a_token_of_another_request_is_refused() -> None:
    token = paging.write("ListProjectPolicies", REQUEST, "copy")

    for operation, request in (("DescribeProjects", REQUEST), ("ListProjectPolicies", {"ProjectArn": "other"})):
        with pytest.raises(faults.InvalidPaginationTokenException):
            paging.read(operation, {**request, "NextToken": token})


@given(
    st.text(min_size=1, max_size=50)
    | st.binary(min_size=1, max_size=50).map(lambda raw: base64.b64encode(raw).decode())
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(faults.InvalidPaginationTokenException):
        paging.read("DescribeProjects", {"NextToken": token})


@pytest.mark.parametrize("after", [1, None, "a\0", "\u00e4", [], "\ud800"])
def test_a_forged_place_is_refused(after: object) -> None:
    scope = paging._scope("DescribeProjects", {})
    token = base64.urlsafe_b64encode(json.dumps([scope, after]).encode()).decode()

    with pytest.raises(faults.InvalidPaginationTokenException):
        paging.read("DescribeProjects", {"NextToken": token})


@pytest.mark.parametrize("after", ["", "-1", "1.5", "9" * 30, "a"])
def test_a_number_must_be_one(after: str) -> None:
    token = paging.write("ListDatasetLabels", {}, after)

    with pytest.raises(faults.InvalidPaginationTokenException):
        paging.number("ListDatasetLabels", {"NextToken": token})
