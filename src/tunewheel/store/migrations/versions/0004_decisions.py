"""What the gate decided, and by what."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("challenger", sa.Integer, nullable=False),
        sa.Column("champion", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("test", sa.String, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("artifact", sa.String, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("promoted", sa.Boolean, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("verdict IN ('promote', 'refuse', 'undecided')", name=op.f("ck_decisions_verdict")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.ForeignKeyConstraint(
            ["name", "challenger"],
            ["versions.name", "versions.number"],
            name=op.f("fk_decisions_name_challenger_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["name", "champion"], ["versions.name", "versions.number"], name=op.f("fk_decisions_name_champion_versions")
        ),
    )
    op.create_index(op.f("ix_decisions_name_test"), "decisions", ["name", "test"])


def downgrade() -> None:
    op.drop_table("decisions")
