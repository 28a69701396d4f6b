"""Datasets, runs, versions, aliases and their history."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "datasets",
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("parent", sa.String),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("artifact", sa.String),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_datasets")),
    )
    op.create_index(op.f("ix_datasets_parent"), "datasets", ["parent"])
    op.create_table(
        "runs",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("dataset", sa.String),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("started", moment, nullable=False),
        sa.Column("updated", moment, nullable=False),
        sa.Column("finished", moment),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_runs")),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.fingerprint"], name=op.f("fk_runs_dataset_datasets")),
        sa.CheckConstraint("status IN ('running', 'done', 'failed')", name=op.f("ck_runs_status")),
    )
    op.create_index(op.f("ix_runs_dataset"), "runs", ["dataset"])
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("artifact", sa.String, nullable=False),
        sa.Column("dataset", sa.String),
        sa.Column("run", sa.String),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("base", sa.String),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("report", sa.String),
        sa.Column("created", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("name", "number", name=op.f("uq_versions_name_number")),
        sa.UniqueConstraint("run", name=op.f("uq_versions_run")),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.fingerprint"], name=op.f("fk_versions_dataset_datasets")),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], name=op.f("fk_versions_run_runs")),
        sa.CheckConstraint("number > 0", name=op.f("ck_versions_number")),
    )
    op.create_index(op.f("ix_versions_dataset"), "versions", ["dataset"])
    _aliases(moment)


def _aliases(moment: sa.DateTime) -> None:
    op.create_table(
        "aliases",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("alias", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", "alias", name=op.f("pk_aliases")),
        sa.ForeignKeyConstraint(
            ["name", "number"],
            ["versions.name", "versions.number"],
            name=op.f("fk_aliases_name_number_versions"),
        ),
    )
    op.create_table(
        "alias_history",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("alias", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("replaced", sa.Integer),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alias_history")),
        sa.ForeignKeyConstraint(
            ["name", "number"],
            ["versions.name", "versions.number"],
            name=op.f("fk_alias_history_name_number_versions"),
        ),
        sa.CheckConstraint("action IN ('promote', 'rollback')", name=op.f("ck_alias_history_action")),
    )
    op.create_index(op.f("ix_alias_history_name_alias"), "alias_history", ["name", "alias"])


def downgrade() -> None:
    for table in ("alias_history", "aliases", "versions", "runs", "datasets"):
        op.drop_table(table)
