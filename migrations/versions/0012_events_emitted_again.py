"""refused outbox rows, and copies of labelled images that are due"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("refusals", sa.BigInteger, server_default=sa.text("0"), nullable=False))
    op.add_column("label_tasks", sa.Column("copy_due_at", sa.DateTime(timezone=True)))
    due = sa.text("copy_due_at is not null")  # of no row yet: the index is built in one read of the table
    op.create_index("ix_label_tasks_copy_due", "label_tasks", ["copy_due_at"], postgresql_where=due)


def downgrade() -> None:
    op.drop_index("ix_label_tasks_copy_due", "label_tasks")
    op.drop_column("label_tasks", "copy_due_at")
    op.drop_column("outbox", "refusals")
