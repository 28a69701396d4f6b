"""Where masking moved the text of an exchange, by which spans of what was sent are found again in it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("moves", sa.JSON))


def downgrade() -> None:
    with op.batch_alter_table("exchanges") as table:
        table.drop_column("moves")
