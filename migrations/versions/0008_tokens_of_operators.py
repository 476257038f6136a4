"""tokens of operators, for the control API"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _allow(values: str) -> None:
    op.execute("alter table tokens drop constraint if exists ck_tokens_kind")
    op.execute(f"alter table tokens add constraint ck_tokens_kind check (kind in ({values}))")  # a small table


def upgrade() -> None:
    _allow("'once', 'session', 'api', 'operator'")


def downgrade() -> None:
    op.execute("delete from tokens where kind = 'operator'")
    _allow("'once', 'session', 'api'")
