"""The tables, the same for SQLite and PostgreSQL, and the schema revisions this code knows."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from tunewheel.store.kinds import Document, Moment

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011")
"""Every schema revision, oldest first; the last is what this code reads and writes."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

datasets = Table(
    "datasets",
    metadata,
    Column("fingerprint", String, primary_key=True),
    # not a foreign key: a parent may have been made outside this workspace
    Column("parent", String, index=True),
    Column("name", String, nullable=False),
    Column("artifact", String),
    Column("summary", Document, nullable=False),
    Column("created", Moment, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("key", String, primary_key=True),
    Column("command", String, nullable=False),
    Column("settings", Document, nullable=False),
    Column("dataset", ForeignKey(datasets.c.fingerprint), index=True),
    Column("status", String, nullable=False),
    Column("started", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("finished", Moment),
    Column("message", Text),
    CheckConstraint("status IN ('running', 'done', 'failed')", name="status"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("artifact", String, nullable=False),
    Column("dataset", ForeignKey(datasets.c.fingerprint), index=True),
    Column("run", ForeignKey(runs.c.key), unique=True),
    Column("task", String, nullable=False),
    Column("method", String, nullable=False),
    Column("base", String),
    Column("metrics", Document, nullable=False),
    Column("report", String),
    Column("created", Moment, nullable=False),
    UniqueConstraint("name", "number"),
    CheckConstraint("number > 0", name="number"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("number", Integer, nullable=False),
    ForeignKeyConstraint(["name", "number"], ["versions.name", "versions.number"]),
)

alias_history = Table(
    "alias_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("alias", String, nullable=False),
    Column("action", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("replaced", Integer),
    Column("why", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Moment, nullable=False),
    ForeignKeyConstraint(["name", "number"], ["versions.name", "versions.number"]),
    CheckConstraint("action IN ('promote', 'rollback')", name="action"),
    Index(None, "name", "alias"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", Integer, primary_key=True),
    # hashes of the rows' ids
    Column("rows", Document, nullable=False),
    # keys of their texts (`tunewheel.data.gather.text_key`) in hexadecimal: no later reading lets such a text in
    Column("texts", Document, nullable=False),
    # fingerprints of the datasets that held the rows; of each the one made without them, or none
    Column("datasets", Document, nullable=False),
    Column("why", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("purged", Moment),
)

exports = Table(
    "exports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("number", Integer, nullable=False),
    # a version's artifact is what was trained and never changes; what it was exported to is an artifact beside it
    Column("artifact", String, nullable=False),
    Column("summary", Document, nullable=False),
    Column("created", Moment, nullable=False),
    ForeignKeyConstraint(["name", "number"], ["versions.name", "versions.number"]),
    Index(None, "name", "number"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    # of the secret; the secret itself is random, shown once and kept nowhere
    Column("sha256", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("scopes", Document, nullable=False),
    # requests a minute
    Column("rate", Integer),
    Column("created", Moment, nullable=False),
    Column("revoked", Moment),
)

exchanges = Table(
    "exchanges",
    metadata,
    # sorts by time: `tunewheel.feedback.exchange_id`
    Column("id", String, primary_key=True),
    # not a foreign key: a folder that is not registered may be served, and a record may arrive late
    Column("name", String, nullable=False),
    Column("number", Integer),
    Column("role", String, nullable=False),
    # of a shadow answer, the exchange that the asker was answered by
    Column("shadow_of", String, index=True),
    Column("key", String),
    # masked
    Column("row", Document, nullable=False),
    Column("prediction", Document, nullable=False),
    Column("label", String),
    Column("confidence", Float),
    # 16-bit numbers
    Column("vector", LargeBinary),
    Column("language", String, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("variant", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", Moment, nullable=False),
    # where masking moved the text of an answer that marks spans: people mark them in what they sent; numbers only
    Column("moves", Document),
    CheckConstraint("role IN ('live', 'shadow')", name="role"),
    Index(None, "name", "at"),
    # of one version's traffic so many are counted and passed over, without reading them
    Index(None, "name", "number", "role", "at", "id"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("challenger", Integer, nullable=False),
    Column("champion", Integer, nullable=False),
    Column("verdict", String, nullable=False),
    # fingerprint of the frozen test set: how often one was used is counted
    Column("test", String, nullable=False),
    # every check with its figures, margins and what else the decision says of itself
    Column("evidence", Document, nullable=False),
    # the per-row scores that it is decided by again; no text, no ids
    Column("artifact", String, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("promoted", Boolean, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Moment, nullable=False),
    ForeignKeyConstraint(["name", "challenger"], ["versions.name", "versions.number"]),
    ForeignKeyConstraint(["name", "champion"], ["versions.name", "versions.number"]),
    CheckConstraint("verdict IN ('promote', 'refuse', 'undecided')", name="verdict"),
    Index(None, "name", "test"),
)

drift_checks = Table(
    "drift_checks",
    metadata,
    Column("id", Integer, primary_key=True),
    # not foreign keys: what is served need not be registered
    Column("name", String, nullable=False),
    Column("number", Integer),
    # one reference and one way of cutting one version's traffic into windows
    Column("watch", String, nullable=False),
    Column("place", Integer, nullable=False),
    Column("windows", Integer, nullable=False),
    Column("start", Moment, nullable=False),
    Column("end", Moment, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("verdict", String, nullable=False),
    Column("level", Float, nullable=False),
    # figures only, no word of what was said
    Column("figures", Document, nullable=False),
    Column("fired", Document, nullable=False),
    # the id of the last exchange that was looked at, where there was one
    Column("last", String),
    Column("at", Moment, nullable=False),
    UniqueConstraint("watch", "place", "windows"),
    CheckConstraint("verdict IN ('calm', 'drift', 'undecided', 'empty')", name="verdict"),
    Index(None, "name", "number"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    # one more at every taking: work begun under an older one may write nothing
    Column("token", Integer, nullable=False),
    Column("holder", String, nullable=False),
    Column("until", Moment, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("why", Document, nullable=False),
    Column("settings", Document, nullable=False),
    # what each step came to, by its name; a killed turn goes on behind the last
    Column("steps", Document, nullable=False),
    Column("started", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("finished", Moment),
    CheckConstraint("status IN ('running', 'promoted', 'refused', 'undecided', 'idle', 'failed')", name="status"),
    Index(None, "name", "started"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    # the giver's own: the same one twice is one
    Column("key", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    # not a foreign key: an exchange may be recorded late, or never
    Column("exchange", String, index=True),
    # masked
    Column("row", Document),
    Column("value", Document, nullable=False),
    Column("source", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("received", Moment, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", Text),
    Column("turn", ForeignKey(turns.c.id)),
    CheckConstraint("kind IN ('correction', 'rating', 'outcome', 'row')", name="kind"),
    CheckConstraint(
        "status IN ('new', 'accepted', 'rejected', 'quarantined', 'superseded', 'consumed')", name="status"
    ),
    Index(None, "name", "status", "id"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    # an exchange, or row-7: what feedback 7 is about (`tunewheel.feedback.review`); not a foreign key, as above
    Column("item", String, nullable=False),
    Column("action", String, nullable=False),
    # the feedback that was found right, and whether the decision itself wrote it; not a word of it stands here
    Column("chosen", Integer),
    Column("made", Boolean, nullable=False),
    # status and reason of each piece of feedback that was changed, as they were
    Column("before", Document, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("withdrawn", Moment),
    CheckConstraint("action IN ('accept', 'reject', 'skip')", name="action"),
    Index(None, "name", "item"),
    Index(None, "name", "action", "by"),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("champion", Integer, nullable=False),
    Column("stage", String, nullable=False),
    # when each stage began, by its name
    Column("stages", Document, nullable=False),
    Column("plan", Document, nullable=False),
    Column("reason", Text, nullable=False),
    # the turn of the wheel that made the candidate, which ends with its promotion
    Column("turn", ForeignKey(turns.c.id)),
    Column("by", String, nullable=False),
    Column("started", Moment, nullable=False),
    Column("finished", Moment),
    ForeignKeyConstraint(["name", "candidate"], ["versions.name", "versions.number"]),
    ForeignKeyConstraint(["name", "champion"], ["versions.name", "versions.number"]),
    CheckConstraint("stage IN ('shadow', 'share', 'watch', 'done', 'rolled back', 'ended')", name="stage"),
    # of each model one at most is under way
    Index(
        "uq_rollouts_name_unfinished",
        "name",
        unique=True,
        sqlite_where=text("finished IS NULL"),
        postgresql_where=text("finished IS NULL"),
    ),
)

rollout_counts = Table(
    "rollout_counts",
    metadata,
    Column("rollout", ForeignKey(rollouts.c.id), primary_key=True),
    Column("stage", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    # one process that answers; each writes what it has counted in all, so writing twice changes nothing
    Column("service", String, primary_key=True),
    Column("counts", Document, nullable=False),
    # why this service could not have the candidate answer
    Column("refused", Text),
    Column("at", Moment, nullable=False),
)

rollout_looks = Table(
    "rollout_looks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rollout", ForeignKey(rollouts.c.id), nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("verdict", String, nullable=False),
    # all that it was decided by, and what was found; no word of what was asked
    Column("figures", Document, nullable=False),
    Column("decided", Document, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Moment, nullable=False),
    CheckConstraint("verdict IN ('wait', 'next', 'promote', 'roll back', 'done', 'ended')", name="verdict"),
)
