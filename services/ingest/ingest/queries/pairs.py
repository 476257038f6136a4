"""Conditions on pairs of text columns, such as project and name: one statement for any number of pairs."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import String, bindparam, func, select, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import QueryableAttribute


def among(first: QueryableAttribute[str], second: QueryableAttribute[str]) -> Any:
    """Return the condition that two columns are one of the pairs that `parameters` passes."""
    listed = func.unnest(*(bindparam(name, type_=postgresql.ARRAY(String)) for name in ("firsts", "seconds")))
    columns = listed.table_valued("first", "second").render_derived()
    return tuple_(first, second).in_(select(columns.c.first, columns.c.second))


def parameters(wanted: Collection[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the parameters of `among` for these pairs."""
    ordered = sorted(wanted)
    return {"firsts": [first for first, _ in ordered], "seconds": [second for _, second in ordered]}
