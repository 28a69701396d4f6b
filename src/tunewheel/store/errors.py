"""What can go wrong with a workspace; every message says what to do about it."""


class StoreError(RuntimeError):
    """A workspace, its database or its artifacts cannot be used as asked."""


class SchemaError(StoreError):
    """The database has tables this Tunewheel does not know."""


class ArtifactError(StoreError):
    """An artifact is missing or damaged, or a folder cannot become one."""


class LockedError(StoreError):
    """Another process holds the lock."""
