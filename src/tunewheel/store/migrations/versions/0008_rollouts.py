"""Rollouts: how far a candidate has come, what services counted of it, every look; and whose a shadow answer is."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime(timezone=True)
STAGES = "stage IN ('shadow', 'share', 'watch', 'done', 'rolled back', 'ended')"
VERDICTS = "verdict IN ('wait', 'next', 'promote', 'roll back', 'done', 'ended')"
VERSION = ["versions.name", "versions.number"]


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("shadow_of", sa.String))
    op.create_index(op.f("ix_exchanges_shadow_of"), "exchanges", ["shadow_of"])
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("candidate", sa.Integer, nullable=False),
        sa.Column("champion", sa.Integer, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("stages", sa.JSON, nullable=False),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("turn", sa.Integer),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("started", MOMENT, nullable=False),
        sa.Column("finished", MOMENT),
        sa.CheckConstraint(STAGES, name=op.f("ck_rollouts_stage")),
        sa.ForeignKeyConstraint(["turn"], ["turns.id"], name=op.f("fk_rollouts_turn_turns")),
        sa.ForeignKeyConstraint(["name", "candidate"], VERSION, name=op.f("fk_rollouts_name_candidate_versions")),
        sa.ForeignKeyConstraint(["name", "champion"], VERSION, name=op.f("fk_rollouts_name_champion_versions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollouts")),
    )
    under_way = sa.text("finished IS NULL")
    op.create_index(
        *("uq_rollouts_name_unfinished", "rollouts", ["name"]),
        unique=True,
        sqlite_where=under_way,
        postgresql_where=under_way,
    )
    op.create_table(
        "rollout_counts",
        sa.Column("rollout", sa.Integer, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("refused", sa.Text),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["rollout"], ["rollouts.id"], name=op.f("fk_rollout_counts_rollout_rollouts")),
        sa.PrimaryKeyConstraint("rollout", "stage", "number", "service", name=op.f("pk_rollout_counts")),
    )
    op.create_table(
        "rollout_looks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("rollout", sa.Integer, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("decided", sa.JSON, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(VERDICTS, name=op.f("ck_rollout_looks_verdict")),
        sa.ForeignKeyConstraint(["rollout"], ["rollouts.id"], name=op.f("fk_rollout_looks_rollout_rollouts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout_looks")),
    )
    op.create_index(op.f("ix_rollout_looks_rollout"), "rollout_looks", ["rollout"])


def downgrade() -> None:
    op.drop_table("rollout_looks")
    op.drop_table("rollout_counts")
    op.drop_table("rollouts")
    op.drop_index(op.f("ix_exchanges_shadow_of"), "exchanges")
    op.drop_column("exchanges", "shadow_of")
