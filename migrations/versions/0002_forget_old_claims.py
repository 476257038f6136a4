"""find old claims of the inbox, so that they can be forgotten"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_inbox_at"), "inbox", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_inbox_at"), table_name="inbox")
