"""leases of the orders that the deployer publishes"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEX, TABLE = "ix_deployment_devices_leased", "deployment_devices"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("leased_until", sa.DateTime(timezone=True)))
    op.create_index(INDEX, TABLE, ["project", "device"], postgresql_where=sa.text("leased_until is not null"))


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
    op.drop_column(TABLE, "leased_until")
