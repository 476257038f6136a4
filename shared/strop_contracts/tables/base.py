"""What every table has in common."""

import inspect
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, CheckConstraint, DateTime, Dialect, MetaData, String, TypeDecorator, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from strop_contracts import states
from strop_wire import ids


class Choice(TypeDecorator[StrEnum]):
    """A text column with the values of a StrEnum: reads return members, a CHECK constraint refuses other values."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


_STATES: dict[Any, Any] = {
    kind: Choice(kind)
    for kind in vars(states).values()
    if inspect.isclass(kind) and issubclass(kind, StrEnum) and kind is not StrEnum
}


class Base(DeclarativeBase):
    """Naming conventions let migrations name every constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own way
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        dict[str, int]: JSONB,
        dict[str, str]: JSONB,
        list[Any]: JSONB,
        list[str]: JSONB,
        list[float]: JSONB,
        int: BigInteger,
        **_STATES,
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for column in cls.__table__.columns:
            if isinstance(column.type, Choice):
                values = ", ".join(f"'{value}'" for value in column.type.kind)
                cls.metadata.tables[cls.__tablename__].append_constraint(
                    CheckConstraint(f"{column.name} in ({values})", name=column.name)
                )


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
        return None if value is None else self._adapter.validate_python(value)  # None: an outer join without a row
