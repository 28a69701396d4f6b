"""What reviewers decided, and what stood before it: a decision can be withdrawn until it was learned from."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("chosen", sa.Integer),
        sa.Column("made", sa.Boolean, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("withdrawn", MOMENT),
        sa.CheckConstraint("action IN ('accept', 'reject', 'skip')", name=op.f("ck_reviews_action")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_name_item"), "reviews", ["name", "item"])
    op.create_index(op.f("ix_reviews_name_action_by"), "reviews", ["name", "action", "by"])


def downgrade() -> None:
    op.drop_table("reviews")
