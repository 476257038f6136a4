"""settings of triggers and gate per project, models judged again, decisions of people"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MODELS = "model_versions"
TRIGGERS = ("labels", "new_label", "schedule", "audits", "manual", "order")
NEW = ("new_label", "schedule", "audits")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "project_settings",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("project", "version", name=op.f("pk_project_settings")),
    )
    op.add_column("training_runs", sa.Column("judges", sa.BigInteger()))
    op.add_column("evaluations", sa.Column("champion_key", sa.String()))
    op.add_column("evaluations", sa.Column("champion_right", sa.BigInteger()))
    op.add_column(MODELS, sa.Column("champion", sa.BigInteger()))
    op.add_column(MODELS, sa.Column("judged", sa.BigInteger(), server_default=sa.text("1"), nullable=False))
    op.add_column(MODELS, sa.Column("judged_at", TIME, server_default=sa.func.now(), nullable=False))
    op.execute(f"update {MODELS} set judged_at = at")
    op.add_column(MODELS, sa.Column("decided_by", sa.String()))
    op.add_column(MODELS, sa.Column("decided_at", TIME))
    op.add_column(MODELS, sa.Column("decision", sa.String()))
    _allow(TRIGGERS)


def downgrade() -> None:
    op.execute(f"update training_runs set trigger = 'labels' where trigger in {NEW}")
    _allow(("labels", "manual", "order"))
    for column in ("decision", "decided_at", "decided_by", "judged_at", "judged", "champion"):
        op.drop_column(MODELS, column)
    op.drop_column("evaluations", "champion_right")
    op.drop_column("evaluations", "champion_key")
    op.drop_column("training_runs", "judges")
    op.drop_table("project_settings")


def _allow(triggers: tuple[str, ...]) -> None:
    """Replace the constraint in one transaction: the table is small."""
    op.execute("alter table training_runs drop constraint ck_training_runs_trigger")
    op.execute(f"alter table training_runs add constraint ck_training_runs_trigger check (trigger in {triggers})")
