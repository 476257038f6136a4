"""the images of hosted data sets, and which services have cleared a deleted project"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SERVICES = ("ingest", "router", "labeling-queue", "trainer", "deployer", "custom-labels")

HOSTED = """
    select distinct data.project, entry.sha256 from hosted_entries entry
      join hosted_datasets data on data.id = entry.dataset_id where entry.sha256 is not null
"""
IMAGE = "project, sha256, size, content_type, width, height, at"


def upgrade() -> None:
    op.create_table(
        "hosted_images",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_hosted_images_project_projects")),
        sa.PrimaryKeyConstraint("project", "sha256", name=op.f("pk_hosted_images")),
    )
    op.execute(f"insert into hosted_images ({IMAGE}) select {IMAGE} from images join ({HOSTED}) h using (project, sha256)")
    op.add_column("projects", sa.Column("deletion_id", sa.Uuid(), nullable=True))
    op.add_column(
        "projects", sa.Column("uncleared", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    _ask_again()
    op.drop_column("projects", "deleting")


def _ask_again() -> None:
    """Send the event of every deletion in progress: the one that was sent has another form."""
    services = ", ".join(f"'{service}'" for service in SERVICES)
    op.execute(
        "update projects set deletion_id = gen_random_uuid(),"
        f" uncleared = (select jsonb_agg(service) from unnest(array[{services}]) service) where deleting"
    )
    op.execute(
        "insert into outbox (queue, body) select service, json_build_object("
        "'id', gen_random_uuid(), 'name', 'ProjectDeleted', 'at', now(),"
        " 'body', json_build_object('project', name, 'deletion_id', deletion_id))::text"
        f" from projects, unnest(array[{services}]) service where deleting"
    )


def downgrade() -> None:
    op.add_column("projects", sa.Column("deleting", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute("update projects set deleting = deletion_id is not null")
    for name in ("uncleared", "deletion_id"):
        op.drop_column("projects", name)
    op.execute(
        f"insert into images ({IMAGE}) select {IMAGE} from hosted_images on conflict (project, sha256) do nothing"
    )
    op.drop_table("hosted_images")
