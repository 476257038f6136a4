"""The files of a model package and their objects: `model_versions.files` and `project_versions.files`."""

from typing import Annotated

from pydantic import Field, StringConstraints

from strop_contracts.documents.base import Document, Sha256
from strop_wire import fields, limits

FileName = Annotated[str, StringConstraints(pattern=fields.FILE_NAME_PATTERN)]


class StoredFile(Document):
    """One file: its content, and the key of its object in the bucket. Size in bytes."""

    sha256: Sha256
    size: Annotated[int, Field(ge=1, le=limits.MAX_FILE_BYTES)]
    key: str


Files = dict[FileName, StoredFile]
"""By file name. One of them is `model.json`, which lists the others."""
