"""live accuracy: counts by hour, estimates, reports, and audits that are not sent to labelers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TIME, JSONB = sa.DateTime(timezone=True), postgresql.JSONB()
OF_MODEL = {"project": sa.String(), "model": sa.String()}
SHARES = ("estimate", "low", "high", "labelled", "predictions")
TRIGGERS = ("labels", "new_label", "schedule", "degradation", "audits", "manual", "order")


def upgrade() -> None:
    _table(
        "quality_hours",
        {**OF_MODEL, "device_group": sa.String(), "hour": TIME},
        sa.Column("predictions", JSONB, nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
    )
    _table(
        "quality_estimates",
        {**OF_MODEL, "measure": sa.String(), "label": sa.String(), "device_group": sa.String(), "at": TIME},
        sa.Column("window_seconds", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in SHARES),
        sa.Column("free_estimate", sa.Float()),
    )
    op.create_index(op.f("ix_quality_estimates_at"), "quality_estimates", ["at"])
    _table(
        "quality_models",
        OF_MODEL,
        sa.Column("looks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("degraded_at", TIME),
    )
    _table(
        "quality_reports",
        {"project": sa.String()},
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("report", JSONB, nullable=False),
        sa.Column("second", JSONB, server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("label_tasks", sa.Column("probability", sa.Float(), server_default=sa.text("1"), nullable=False))
    op.add_column("label_tasks", sa.Column("extra", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index("ix_captures_audits", "captures", ["project", "at"], postgresql_where=sa.text("audit"))
    _allow("label_tasks", "state", "open", "done", "not_sampled")
    _allow("training_runs", "trigger", *TRIGGERS)


def downgrade() -> None:
    op.execute("delete from label_tasks where state = 'not_sampled'")
    op.execute("update training_runs set trigger = 'labels' where trigger = 'degradation'")
    _allow("label_tasks", "state", "open", "done")
    _allow("training_runs", "trigger", *(trigger for trigger in TRIGGERS if trigger != "degradation"))
    op.drop_index("ix_captures_audits", "captures")
    op.drop_column("label_tasks", "extra")
    op.drop_column("label_tasks", "probability")
    for table in ("quality_reports", "quality_models", "quality_estimates", "quality_hours"):
        op.drop_table(table)


def _table(name: str, keys: dict[str, sa.types.TypeEngine], *columns: sa.Column) -> None:
    op.create_table(
        name,
        *(sa.Column(key, kind, nullable=False) for key, kind in keys.items()),
        *columns,
        sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{name}")),
    )


def _allow(table: str, column: str, *values: str) -> None:
    """Replace a constraint; the rows are checked without blocking writes."""
    name = f"ck_{table}_{column}"
    allowed = ", ".join(f"'{value}'" for value in values)
    op.execute(f"alter table {table} drop constraint {name}")
    op.execute(f"alter table {table} add constraint {name} check ({column} in ({allowed})) not valid")
    op.execute(f"alter table {table} validate constraint {name}")
