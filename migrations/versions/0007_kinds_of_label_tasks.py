"""kinds of label tasks, and leases of the moves of their copies"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLE = "label_tasks"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("kind", sa.String(), server_default=sa.text("'image'"), nullable=False))
    op.add_column(TABLE, sa.Column("copy_leased_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for name in ("copy_leased_until", "kind"):
        op.drop_column(TABLE, name)
