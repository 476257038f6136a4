"""counts of devices per model and policy, by hour and by day; groups, errors and spools of devices"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TIME, JSONB = sa.DateTime(timezone=True), postgresql.JSONB()
KEYS = {"model": sa.String(), "policy": sa.BigInteger()}
COUNTS = ("classified", "rejected", "failed", "low", "high", "audit")
OF_DEVICES = ("device_group", "agent", "errors", "spool_items", "spool_bytes", "dropped")


def upgrade() -> None:
    op.add_column("devices", sa.Column("device_group", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("devices", sa.Column("agent", sa.String()))
    op.add_column("devices", sa.Column("errors", JSONB, server_default=sa.text("'[]'"), nullable=False))
    op.add_column("devices", sa.Column("spool_items", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("devices", sa.Column("spool_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("devices", sa.Column("dropped", JSONB, server_default=sa.text("'{}'"), nullable=False))
    _table(
        "device_usage",
        {"project": sa.String(), "device": sa.String(), "boot": sa.Uuid(), **KEYS},
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("usage", JSONB, nullable=False),
    )
    _table("usage_hours", {"project": sa.String(), "device": sa.String(), **KEYS, "hour": TIME}, *_counts())
    op.create_index(op.f("ix_usage_hours_hour"), "usage_hours", ["hour"])
    op.create_index(op.f("ix_usage_hours_project_hour"), "usage_hours", ["project", "hour"])
    _table("usage_days", {"project": sa.String(), "device_group": sa.String(), **KEYS, "day": sa.Date()}, *_counts())


def downgrade() -> None:
    for table in ("usage_days", "usage_hours", "device_usage"):
        op.drop_table(table)
    for column in OF_DEVICES:
        op.drop_column("devices", column)


def _table(name: str, keys: dict[str, sa.types.TypeEngine], *columns: sa.Column) -> None:
    """Pages keep room for updates in place: counts of a row are updated with every report."""
    op.create_table(
        name,
        *(sa.Column(key, kind, nullable=False) for key, kind in keys.items()),
        *columns,
        sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{name}")),
        postgresql_with={"fillfactor": 70},
    )


def _counts() -> list[sa.Column]:
    return [
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.Column("predictions", JSONB, nullable=False),
        sa.Column("latency", postgresql.ARRAY(sa.BigInteger()), nullable=False),
    ]
