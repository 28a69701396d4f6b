"""An index of each version's exchanges by time: they are counted and passed over without being read."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    columns = ["name", "number", "role", "at", "id"]
    op.create_index(op.f("ix_exchanges_name_number_role_at_id"), "exchanges", columns)


def downgrade() -> None:
    op.drop_index(op.f("ix_exchanges_name_number_role_at_id"), "exchanges")
