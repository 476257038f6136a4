"""the values of every state, kind and status column"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

VALUES = {
    ("annotations", "answer"): "label unclear none bad",
    ("annotations", "source"): "page api folder",
    ("dataset_items", "split"): "train valid",
    ("dead_letters", "state"): "open retried dropped",
    ("deployment_devices", "state"): "waiting sent installed failed",
    ("deployments", "kind"): "rollout rollback",
    ("deployments", "state"): "running succeeded rolled_back superseded",
    ("evaluations", "part"): "field base",
    ("hosted_changes", "kind"): "create update copy distribute",
    ("hosted_datasets", "kind"): "TRAIN TEST",
    ("hosted_datasets", "status"): (
        "CREATE_IN_PROGRESS CREATE_COMPLETE CREATE_FAILED UPDATE_IN_PROGRESS UPDATE_COMPLETE "
        "UPDATE_FAILED DELETE_IN_PROGRESS"
    ),
    ("hosted_datasets", "code"): "SUCCESS SERVICE_ERROR CLIENT_ERROR",
    ("label_tasks", "state"): "open done",
    ("model_versions", "state"): "approved refused hosted",
    ("project_versions", "status"): (
        "TRAINING_IN_PROGRESS TRAINING_COMPLETED TRAINING_FAILED STARTING RUNNING FAILED "
        "STOPPING STOPPED DELETING COPYING_IN_PROGRESS COPYING_COMPLETED COPYING_FAILED"
    ),
    ("tokens", "kind"): "once session api",
    ("training_runs", "state"): "requested running succeeded failed",
    ("training_runs", "trigger"): "labels manual order",
    ("uploads", "state"): "granted stored dropped",
}


def upgrade() -> None:
    for (table, column), values in VALUES.items():
        allowed = ", ".join(f"'{value}'" for value in values.split())
        # `not valid` checks new rows only; validation below reads the tables without blocking writers. If that fails, the
        # constraints are there already, so the next attempt replaces them.
        op.execute(f"alter table {table} drop constraint if exists ck_{table}_{column}")
        op.execute(f"alter table {table} add constraint ck_{table}_{column} check ({column} in ({allowed})) not valid")
    with op.get_context().autocommit_block():
        for table, column in VALUES:
            op.execute(f"alter table {table} validate constraint ck_{table}_{column}")


def downgrade() -> None:
    for table, column in VALUES:
        op.drop_constraint(op.f(f"ck_{table}_{column}"), table)
