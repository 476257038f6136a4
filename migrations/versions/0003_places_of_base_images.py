"""when each file of a base data set was put in its place"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = (
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sequencer", sa.String(), server_default=sa.text("''"), nullable=False),
    )
    for column in columns:
        op.add_column("dataset_items", column)
    op.execute("update dataset_items set placed_at = at")


def downgrade() -> None:
    for name in ("sequencer", "placed_at"):
        op.drop_column("dataset_items", name)
