"""Alembic's migrations, run when a workspace is opened (`tunewheel.store.database`).

To add one, change `tunewheel.store.schema`, then write the difference to a database of the revision before::

    alembic -x url=sqlite:///OLD.db revision --autogenerate --rev-id 0002 -m "what"

Read what it wrote, and add its id to ``schema.REVISIONS``.
"""
