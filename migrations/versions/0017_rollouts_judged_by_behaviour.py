"""policies, decisions and checks of rollouts"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

DEPLOYMENTS = "deployments"
TIME = sa.DateTime(timezone=True)
ADDED = {
    "held_at": TIME,
    "held_by": sa.String(),
    "held_reason": sa.String(),
    "waits_for": sa.String(),
    "looked_at": TIME,
    "ended_by": sa.String(),
    "reached": sa.BigInteger(),
    "restored_at": TIME,
    "announced_at": TIME,
}


def upgrade() -> None:
    for name, kind in ADDED.items():
        op.add_column(DEPLOYMENTS, sa.Column(name, kind))
    for name in ("looks", "predictions"):
        op.add_column(DEPLOYMENTS, sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column(DEPLOYMENTS, sa.Column("waived", JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.execute("update deployments set announced_at = finished_at where state = 'rolled_back'")  # no late events
    op.execute("update deployments set restored_at = coalesce(finished_at, at) where kind = 'rollback'")
    op.create_table(
        "rollout_policies",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("project", "version", name=op.f("pk_rollout_policies")),
    )
    op.create_table(
        "rollout_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("stage", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(
            "action in ('approve', 'hold', 'resume', 'abort')", name=op.f("ck_rollout_decisions_action")
        ),
        _deployment("rollout_decisions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout_decisions")),
    )
    op.create_index(op.f("ix_rollout_decisions_deployment_id"), "rollout_decisions", ["deployment_id"])
    op.create_table(
        "rollout_baselines",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("started", JSONB(), nullable=False),
        _deployment("rollout_baselines"),
        sa.PrimaryKeyConstraint("deployment_id", "device", name=op.f("pk_rollout_baselines")),
    )
    op.create_table(
        "rollout_checks",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("look", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("stage", sa.BigInteger(), nullable=False),
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False),
        *(sa.Column(name, sa.Double()) for name in ("new", "old", "effect")),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("p", sa.Double()),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("devices", sa.BigInteger(), nullable=False),
        sa.Column("predictions", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.CheckConstraint("verdict in ('pass', 'wait', 'breach')", name=op.f("ck_rollout_checks_verdict")),
        _deployment("rollout_checks"),
        sa.PrimaryKeyConstraint("deployment_id", "look", "name", name=op.f("pk_rollout_checks")),
    )


def downgrade() -> None:
    for table in ("rollout_checks", "rollout_baselines", "rollout_decisions", "rollout_policies"):
        op.drop_table(table)
    for name in ("waived", "looks", "predictions", *ADDED):
        op.drop_column(DEPLOYMENTS, name)


def _deployment(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["deployment_id"], ["deployments.id"], name=op.f(f"fk_{table}_deployment_id_deployments")
    )
