"""What all documents have in common."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Document(BaseModel):
    """A JSON document that crosses services. It grows by fields with a default; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Line(Document):
    """One line of a JSON-lines object in the bucket."""

    @classmethod
    def read(cls, body: bytes) -> list[Self]:
        """Parse a whole object; ValueError with the number of the first line that does not fit."""
        return [cls._parse(number, line) for number, line in enumerate(body.splitlines(), 1) if line]

    @classmethod
    def _parse(cls, number: int, line: bytes) -> Self:
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"line {number}: {f'{place}: ' if place else ''}{first['msg']}") from error


def lines(documents: Iterable[Line]) -> bytes:
    """Write one document a line, with the fields in the order of their class: equal documents give equal bytes."""
    return b"".join(document.model_dump_json().encode() + b"\n" for document in documents)
