"""when the trigger of a project is evaluated next"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE = "trigger_checks"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_trigger_checks")),
    )
    op.create_index(op.f("ix_trigger_checks_due_at"), TABLE, ["due_at"])


def downgrade() -> None:
    op.drop_table(TABLE)
