"""What a version was exported to, who may ask a service, and what it answered."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("artifact", sa.String, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        sa.ForeignKeyConstraint(
            ["name", "number"], ["versions.name", "versions.number"], name=op.f("fk_exports_name_number_versions")
        ),
    )
    op.create_index(op.f("ix_exports_name_number"), "exports", ["name", "number"])
    op.create_table(
        "keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("rate", sa.Integer),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("revoked", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
    )
    op.create_table(
        "exchanges",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("key", sa.String),
        sa.Column("row", sa.JSON, nullable=False),
        sa.Column("prediction", sa.JSON, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("confidence", sa.Float),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("characters", sa.Integer, nullable=False),
        sa.Column("variant", sa.String, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("role IN ('live', 'shadow')", name=op.f("ck_exchanges_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchanges")),
    )
    op.create_index(op.f("ix_exchanges_name_at"), "exchanges", ["name", "at"])


def downgrade() -> None:
    op.drop_table("exchanges")
    op.drop_table("keys")
    op.drop_table("exports")
