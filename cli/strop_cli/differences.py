"""`strop datasets check`: what the base sets contain, and where rows and bucket differ."""

from collections.abc import Sequence

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from strop_cli import tree
from strop_contracts import control

_NAMED = 10  # lines of a kind that are shown


def page(checked: control.BaseImages, conflicts: Sequence[str]) -> Group:
    """Return a table of images by label, and a line for each fault."""
    table = Table("data set", "split", "label", "images")
    for each in checked.counts:
        table.add_row(each.dataset, each.split, escape(each.label), str(each.images))
    named = map(escape, lines(checked, conflicts))
    if not checked.counts:
        return Group(
            "no base images (the data sets of a Custom Labels project are in the console and in its API)", *named
        )
    return Group(table, *named)


def lines(checked: control.BaseImages, conflicts: Sequence[str]) -> list[str]:
    """Name what is refused, of several labels, not used, or different in the bucket."""
    return [
        *_some(checked.refused, "refused", "refused "),
        *label_conflicts(conflicts),
        *(tree.counted(f"left out, {why}", each.first, each.total) for why, each in checked.unused.items()),
        *_some(checked.gone, "gone", "gone from the bucket, its row will be deleted: "),
        *_some(checked.unseen, "not processed yet", "not processed yet: "),
    ]


def label_conflicts(conflicts: Sequence[str]) -> list[str]:
    return _some(control.Sample(total=len(conflicts), first=conflicts[:_NAMED]), "label conflicts", "label conflict: ")


def _some(lines: control.Sample, what: str, prefix: str) -> list[str]:
    more = lines.total - len(lines.first)
    return [*(f"{prefix}{each}" for each in lines.first), *([f"and {more} more {what}"] if more else [])]
