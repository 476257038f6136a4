"""What every table has in common."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, DateTime, MetaData, TypeDecorator, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from strop_wire import ids


class Base(DeclarativeBase):
    """Naming conventions let migrations name every constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own way
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        dict[str, int]: JSONB,
        list[Any]: JSONB,
        list[str]: JSONB,
        int: BigInteger,
    }


def created() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def new_id() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=ids.uuid7)


class Document(TypeDecorator[Any]):
    """A JSONB column that holds documents of one type, checked on the way in and on the way out."""

    impl = JSONB
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        """`kind` is any type that pydantic can read and write."""
        super().__init__()
        self.kind = kind
        self._adapter = TypeAdapter(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return self._adapter.dump_python(self._adapter.validate_python(value), mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return self._adapter.validate_python(value)
