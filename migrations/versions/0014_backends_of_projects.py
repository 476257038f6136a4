"""the training backend of a project and of a run"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLE, RUNS = "training_settings", "training_runs"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("backend", sa.String(), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_training_settings")),
    )
    op.add_column(RUNS, sa.Column("backend", sa.String(), nullable=True))
    op.add_column(RUNS, sa.Column("options", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column(RUNS, "options")
    op.drop_column(RUNS, "backend")
    op.drop_table(TABLE)
