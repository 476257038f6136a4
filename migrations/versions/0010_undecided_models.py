"""models that the gate leaves undecided"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLE, NAME = "model_versions", "ck_model_versions_state"


def upgrade() -> None:
    _allow("approved", "undecided", "refused", "hosted")


def downgrade() -> None:
    op.execute(f"update {TABLE} set state = 'refused' where state = 'undecided'")
    _allow("approved", "refused", "hosted")


def _allow(*states: str) -> None:
    """Replace the constraint in one transaction: the table is small."""
    values = ", ".join(f"'{state}'" for state in states)
    op.execute(f"alter table {TABLE} drop constraint {NAME}")
    op.execute(f"alter table {TABLE} add constraint {NAME} check (state in ({values}))")
