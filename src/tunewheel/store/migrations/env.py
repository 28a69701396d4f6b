"""What Alembic runs around the migrations."""

from alembic import context
from sqlalchemy import Connection, create_engine

from tunewheel.store.schema import metadata


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name Alembic runs this file under: importing it does nothing
    if "connection" in context.config.attributes:
        run(context.config.attributes["connection"])
    else:
        with create_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
            run(opened)
