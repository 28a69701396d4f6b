"""Keys of the texts that were erased, by which a later reading leaves them out."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("erasures", sa.Column("texts", sa.JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    with op.batch_alter_table("erasures") as table:
        table.drop_column("texts")
