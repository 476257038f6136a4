"""the first schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "captures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("predictions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("audit", sa.Boolean(), nullable=False),
        sa.Column("audit_probability", sa.Double(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("policy", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("phash", sa.String(), nullable=True),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_captures")),
    )
    op.create_index(op.f("ix_captures_project_device_at"), "captures", ["project", "device", "at"], unique=False)
    op.create_index(op.f("ix_captures_project_sha256"), "captures", ["project", "sha256"], unique=False)
    op.create_table(
        "dataset_items",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("refused", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project", "key", name=op.f("pk_dataset_items")),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project", "version", name=op.f("pk_dataset_versions")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'open'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint("service", "sha256", name=op.f("uq_dead_letters_service_sha256")),
    )
    op.create_index(
        "ix_dead_letters_open",
        "dead_letters",
        ["service", "last_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("model_version", sa.BigInteger(), nullable=False),
        sa.Column("previous_version", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("stages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stage", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("stage_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
    )
    op.create_index(op.f("ix_deployments_project_at"), "deployments", ["project", "at"], unique=False)
    op.create_index(
        "uq_deployments_rollout",
        "deployments",
        ["project", "model_version"],
        unique=True,
        postgresql_where=sa.text("kind = 'rollout'"),
    )
    op.create_index(
        "uq_deployments_running", "deployments", ["project"], unique=True, postgresql_where=sa.text("state = 'running'")
    )
    op.create_table(
        "device_reports",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("boot", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("project", "device", "boot", name=op.f("pk_device_reports")),
    )
    op.create_table(
        "evaluations",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("model_version", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outcomes_key", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project", "model_version", "part", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "ground_truth",
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("capture_id", name=op.f("pk_ground_truth")),
    )
    op.create_index(op.f("ix_ground_truth_project_at"), "ground_truth", ["project", "at"], unique=False)
    op.create_table(
        "images",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project", "sha256", name=op.f("pk_images")),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_inbox")),
    )
    op.create_table(
        "label_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("priority", sa.Double(), nullable=False),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_tasks")),
        sa.UniqueConstraint("capture_id", name=op.f("uq_label_tasks_capture_id")),
    )
    op.create_index(
        op.f("ix_label_tasks_project_priority_id"),
        "label_tasks",
        ["project", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_label_tasks_mine",
        "label_tasks",
        ["project", "leased_by"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "model_files",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "sha256", name=op.f("pk_model_files")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_table(
        "policies",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project", "version", name=op.f("pk_policies")),
    )
    op.create_table(
        "projects",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("deleting", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_projects")),
    )
    op.create_table(
        "routes",
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("upload", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("policy", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("capture_id", name=op.f("pk_routes")),
    )
    op.create_index(op.f("ix_routes_project_at"), "routes", ["project", "at"], unique=False)
    op.create_index(op.f("ix_routes_project_device_at"), "routes", ["project", "device", "at"], unique=False)
    op.create_index(
        "ix_routes_device_budget",
        "routes",
        ["project", "device", "at"],
        unique=False,
        postgresql_where=sa.text("upload and reason <> 'audit'"),
    )
    op.create_index(
        "ix_routes_fleet_budget",
        "routes",
        ["project", "at"],
        unique=False,
        postgresql_where=sa.text("upload and reason <> 'audit'"),
    )
    op.create_table(
        "training_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'requested'"), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("manifest", sa.String(), nullable=True),
        sa.Column("backbone", sa.String(), nullable=True),
        sa.Column("dataset_version", sa.BigInteger(), nullable=True),
        sa.Column("model_version", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_runs")),
    )
    op.create_index(
        "uq_training_runs_unfinished",
        "training_runs",
        ["project"],
        unique=True,
        postgresql_where=sa.text("state in ('requested', 'running') and manifest is null"),
    )
    op.create_table(
        "trigger_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("train", sa.Boolean(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trigger_decisions")),
    )
    op.create_index(op.f("ix_trigger_decisions_project_at"), "trigger_decisions", ["project", "at"], unique=False)
    op.create_table(
        "users",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_table(
        "annotations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["label_tasks.id"], name=op.f("fk_annotations_task_id_label_tasks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotations")),
    )
    op.create_index(op.f("ix_annotations_author_at"), "annotations", ["author", "at"], unique=False)
    op.create_index(op.f("ix_annotations_task_id"), "annotations", ["task_id"], unique=False)
    op.create_table(
        "deployment_devices",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("stage", sa.BigInteger(), nullable=False),
        sa.Column("current", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("policy", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_deployment_devices_deployment_id_deployments")
        ),
        sa.PrimaryKeyConstraint("deployment_id", "device", name=op.f("pk_deployment_devices")),
    )
    op.create_index(
        "uq_deployment_devices_current",
        "deployment_devices",
        ["project", "device"],
        unique=True,
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "devices",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_devices_project_projects")),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pk_devices")),
    )
    op.create_table(
        "model_versions",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["training_runs.id"], name=op.f("fk_model_versions_run_id_training_runs")),
        sa.PrimaryKeyConstraint("project", "version", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("run_id", name=op.f("uq_model_versions_run_id")),
    )
    op.create_table(
        "tokens",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name=op.f("fk_tokens_user_users")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_tokens")),
    )
    op.create_table(
        "uploads",
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_uploads_capture_id_captures")),
        sa.PrimaryKeyConstraint("capture_id", name=op.f("pk_uploads")),
    )
    op.create_table(
        "hosted_datasets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("message", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_hosted_datasets_project_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hosted_datasets")),
    )
    op.create_index(
        "uq_hosted_datasets_project",
        "hosted_datasets",
        ["project", "kind"],
        unique=True,
        postgresql_where=sa.text("version_id is null"),
    )
    op.create_table(
        "project_policies",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_project_policies_project_projects")),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pk_project_policies")),
    )
    op.create_table(
        "project_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("message", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("model_version", sa.BigInteger(), nullable=True),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("output", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("results", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("kms_key_id", sa.String(), nullable=True),
        sa.Column("source_arn", sa.String(), nullable=True),
        sa.Column("min_units", sa.BigInteger(), nullable=True),
        sa.Column("max_units", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_project_versions_project_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_versions")),
        sa.UniqueConstraint("project", "name", name=op.f("uq_project_versions_project_name")),
    )
    op.create_index(
        "ix_project_versions_alive",
        "project_versions",
        ["status"],
        unique=False,
        postgresql_where=sa.text("status in ('STARTING', 'RUNNING', 'STOPPING')"),
    )
    op.create_index(op.f("ix_project_versions_run_id"), "project_versions", ["run_id"], unique=False)
    op.create_table(
        "hosted_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["hosted_datasets.id"],
            name=op.f("fk_hosted_changes_dataset_id_hosted_datasets"),
            ondelete="cascade",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hosted_changes")),
    )
    op.create_table(
        "hosted_entries",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("source_ref", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("errors", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["hosted_datasets.id"],
            name=op.f("fk_hosted_entries_dataset_id_hosted_datasets"),
            ondelete="cascade",
        ),
        sa.PrimaryKeyConstraint("dataset_id", "source_ref", name=op.f("pk_hosted_entries")),
    )
    op.create_index(
        op.f("ix_hosted_entries_dataset_id_position"), "hosted_entries", ["dataset_id", "position"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_hosted_entries_dataset_id_position"), table_name="hosted_entries")
    op.drop_table("hosted_entries")
    op.drop_table("hosted_changes")
    op.drop_index(op.f("ix_project_versions_run_id"), table_name="project_versions")
    op.drop_index(
        "ix_project_versions_alive",
        table_name="project_versions",
        postgresql_where=sa.text("status in ('STARTING', 'RUNNING', 'STOPPING')"),
    )
    op.drop_table("project_versions")
    op.drop_table("project_policies")
    op.drop_index(
        "uq_hosted_datasets_project", table_name="hosted_datasets", postgresql_where=sa.text("version_id is null")
    )
    op.drop_table("hosted_datasets")

    op.drop_table("uploads")
    op.drop_table("tokens")
    op.drop_table("model_versions")
    op.drop_table("devices")
    op.drop_index("uq_deployment_devices_current", table_name="deployment_devices", postgresql_where=sa.text("current"))
    op.drop_table("deployment_devices")
    op.drop_index(op.f("ix_annotations_task_id"), table_name="annotations")
    op.drop_index(op.f("ix_annotations_author_at"), table_name="annotations")
    op.drop_table("annotations")
    op.drop_table("users")
    op.drop_index(op.f("ix_trigger_decisions_project_at"), table_name="trigger_decisions")
    op.drop_table("trigger_decisions")
    op.drop_index(
        "uq_training_runs_unfinished",
        table_name="training_runs",
        postgresql_where=sa.text("state in ('requested', 'running') and manifest is null"),
    )
    op.drop_table("training_runs")
    op.drop_index(
        "ix_routes_fleet_budget", table_name="routes", postgresql_where=sa.text("upload and reason <> 'audit'")
    )
    op.drop_index(
        "ix_routes_device_budget", table_name="routes", postgresql_where=sa.text("upload and reason <> 'audit'")
    )
    op.drop_index(op.f("ix_routes_project_device_at"), table_name="routes")
    op.drop_index(op.f("ix_routes_project_at"), table_name="routes")
    op.drop_table("routes")
    op.drop_table("projects")
    op.drop_table("policies")
    op.drop_table("outbox")
    op.drop_table("model_files")
    op.drop_index("ix_label_tasks_mine", table_name="label_tasks", postgresql_where=sa.text("state = 'open'"))
    op.drop_index(
        op.f("ix_label_tasks_project_priority_id"), table_name="label_tasks", postgresql_where=sa.text("state = 'open'")
    )
    op.drop_table("label_tasks")
    op.drop_table("inbox")
    op.drop_table("images")
    op.drop_index(op.f("ix_ground_truth_project_at"), table_name="ground_truth")
    op.drop_table("ground_truth")
    op.drop_table("evaluations")
    op.drop_table("device_reports")
    op.drop_index("uq_deployments_rollout", table_name="deployments", postgresql_where=sa.text("kind = 'rollout'"))
    op.drop_index("uq_deployments_running", table_name="deployments", postgresql_where=sa.text("state = 'running'"))
    op.drop_index(op.f("ix_deployments_project_at"), table_name="deployments")
    op.drop_table("deployments")
    op.drop_index("ix_dead_letters_open", table_name="dead_letters", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("dead_letters")
    op.drop_table("dataset_versions")
    op.drop_table("dataset_items")
    op.drop_index(op.f("ix_captures_project_sha256"), table_name="captures")
    op.drop_index(op.f("ix_captures_project_device_at"), table_name="captures")
    op.drop_table("captures")
