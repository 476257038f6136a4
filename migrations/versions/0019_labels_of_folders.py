"""decisions about the names of label folders, captures that wait for one, and aliases of devices"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None

BY_LABEL = {"filed_labels", "ground_truth", "dataset_items"}


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "folder_labels",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pk_folder_labels")),
    )
    op.create_table(
        "filed_labels",
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("capture_id", name=op.f("pk_filed_labels")),
    )
    op.add_column("devices", sa.Column("alias", sa.String(), nullable=True))
    op.create_unique_constraint(op.f("uq_devices_alias"), "devices", ["alias"])
    for table in sorted(BY_LABEL):
        op.create_index(op.f(f"ix_{table}_project_label"), table, ["project", "label"])


def downgrade() -> None:
    for table in sorted(BY_LABEL):
        op.drop_index(op.f(f"ix_{table}_project_label"), table)
    op.drop_constraint(op.f("uq_devices_alias"), "devices")
    op.drop_column("devices", "alias")
    op.drop_table("filed_labels")
    op.drop_table("folder_labels")
