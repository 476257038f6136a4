"""roles of users, and the audit log; the tokens of operators become those of admins"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ROLES = "'labeler', 'reviewer', 'engineer', 'admin'"


def upgrade() -> None:
    op.create_table(
        "memberships",
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(f"role in ({ROLES})", name=op.f("ck_memberships_role")),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name=op.f("fk_memberships_user_users")),
        sa.PrimaryKeyConstraint("user", "project", name=op.f("pk_memberships")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=True),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"])
    # Everybody keeps the rights of before, as far as a role has them: operators could do everything, others label everywhere.
    op.execute(
        """
        insert into memberships ("user", project, role)
        select name, '*', case when exists (select from tokens t where t."user" = name and t.kind = 'operator'
               and (t.expires_at is null or t.expires_at > now()))
               then 'admin' else 'labeler' end
          from users
        """
    )
    op.execute("update tokens set kind = 'api' where kind = 'operator'")
    _allow("'once', 'session', 'api'")


def downgrade() -> None:
    _allow("'once', 'session', 'api', 'operator'")
    op.execute(
        """
        update tokens set kind = 'operator' where kind = 'api' and "user" in
        (select "user" from memberships where project = '*' and role = 'admin')
        """
    )
    op.drop_table("audit_log")
    op.drop_table("memberships")


def _allow(values: str) -> None:
    op.execute("alter table tokens drop constraint if exists ck_tokens_kind")
    op.execute(f"alter table tokens add constraint ck_tokens_kind check (kind in ({values}))")  # a small table
