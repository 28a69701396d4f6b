"""What was found when traffic was compared with what a model was measured on."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "drift_checks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("watch", sa.String, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("windows", sa.Integer, nullable=False),
        sa.Column("start", MOMENT, nullable=False),
        sa.Column("end", MOMENT, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("level", sa.Float, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("fired", sa.JSON, nullable=False),
        sa.Column("last", sa.String),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("verdict IN ('calm', 'drift', 'undecided', 'empty')", name=op.f("ck_drift_checks_verdict")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_checks")),
        sa.UniqueConstraint("watch", "place", "windows", name=op.f("uq_drift_checks_watch_place_windows")),
    )
    op.create_index(op.f("ix_drift_checks_name_number"), "drift_checks", ["name", "number"])


def downgrade() -> None:
    op.drop_table("drift_checks")
