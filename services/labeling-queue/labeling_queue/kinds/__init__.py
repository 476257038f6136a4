"""The kinds of label tasks, by name: a module each. A new kind is a module with a class that follows `base.Kind`, and a line here."""

from collections.abc import Mapping

from labeling_queue.kinds import base, image, inert
from strop_contracts import tables

KINDS: Mapping[str, base.Kind] = {"image": image.ImageKind(), "inert": inert.InertKind()}


def of(task: tables.LabelTask) -> base.Kind:
    """Return the kind of a task; KeyError if this version of the service does not have it."""
    return KINDS[task.kind]
