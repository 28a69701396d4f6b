"""`drift`: whether what a model is asked and answers is still what it was measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunewheel.loop.reading import LoopError
from tunewheel.training import Say

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tunewheel.data import Dataset
    from tunewheel.feedback.drift import Check, Cut, Reference, Seen, Window
    from tunewheel.feedback.drift.found import Drifted
    from tunewheel.feedback.drift.moved import Moved
    from tunewheel.feedback.drift.traffic import Cursor, Right, Traffic
    from tunewheel.models import Model
    from tunewheel.registry import Version
    from tunewheel.store import Workspace

WINDOW = "500 rows"

HELD_OUT = 5_000
"""Rows that windows are compared with, at most; a sample of more."""

READ = 10_000
"""Training texts that tell which words are known, at most."""

FIRST = 104
"""Windows that the first look judges, the newest: two years of weeks."""

_LATE = timedelta(seconds=60)
"""So long an exchange may be on its way into the database; a window by time is over when this has passed too."""

_CONTEXT = 7
"""Windows before the first unjudged one that blocks may reach back to."""


def drift(
    name: str,
    *,
    window: str = WINDOW,
    since: datetime | None = None,
    first: int | None = None,
    feedback: bool = False,
    right: Right | None = None,
    tell: Callable[[Check], None] = lambda check: None,
    home: str | Path | None = None,
    database: str | None = None,
    now: datetime | None = None,
    say: Say = lambda heading, line: None,
) -> Drifted:
    """Judge every whole window of a version's recorded traffic that was not judged before, and say what moved.

    Args:
        name: the model: ``name`` (its champion), ``name:3`` or ``name@alias``.
        window: so many rows (``500 rows``) or so much time (``7d``, ``12h``).
        since: exchanges before this moment are left out.
        first: compare with the version's first so many exchanges; by default with the held-out rows of its dataset.
        feedback: also judge the share of answers that people called right (`tunewheel.feedback.judging`). Where they
            speak of wrong answers only, that is no share of the answers.
        right: says that instead, of exchanges by their ids.
        tell: is called with each check that fires, once, when it is recorded.
        home, database: the workspace.
        now: the moment to judge at.
        say: is told what is done.

    Raises:
        LoopError: there are too few exchanges to compare with, or the rows that the version was tested on are gone.
        DriftError: ``window`` says nothing.
        RegistryError: there is no such version.
    """
    from tunewheel.feedback.drift import Cut
    from tunewheel.feedback.drift.found import Drifted
    from tunewheel.feedback.drift.records import list_checks, looks_of, record_checks, watch_key
    from tunewheel.feedback.drift.watch import watch
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace

    cut, workspace = Cut.parse(window), Workspace.open(home, database)
    version = Registry(workspace).resolve(name)
    if feedback and right is None:
        from tunewheel.feedback.judging import said_right

        right = said_right(workspace, version.name)
    compared = (f"first {first}" if first else str(version.dataset)) + (" and feedback" if right else "")
    key = watch_key(version.name, version.number, compared, str(cut), since)
    with workspace.lock(f"drift-{key}", timeout=600):
        view = _View(workspace, version, cut, since, first, right, now or datetime.now(UTC))
        with workspace.read() as connection:
            known = list_checks(connection, key)
            looks = looks_of(connection, version.name, version.number, key)
        found, reference, new = view.whole(known, say), None, []
        judged = 1 + max((check.place for check, _ in known), default=-1)
        if any(window.place >= judged for window in found.windows):
            reference = view.reference(say)
            seen, listed = found.traffic.seen, found.windows
            checks = watch(reference, seen, listed, looks=looks, judged=judged)
            last = {window.place: found.traffic.ids[window.stop - 1] for window in listed if window.stop > window.first}
            new = record_checks(
                workspace, version.name, version.number, key, [(check, last.get(check.place)) for check in checks]
            )
    for check in new:
        if check.verdict == "drift":
            tell(check)
    every = [*(check for check, _ in known), *new]
    alarm = next((check for check in reversed(every) if check.verdict == "drift"), None)
    return Drifted(
        name=version.name,
        number=version.number,
        window=str(cut),
        looks=looks,
        reference=view.described,
        checks=tuple(every),
        new=len(new),
        waiting=found.waiting,
        alarm=alarm,
        moved=view.moved(alarm, reference, say) if alarm else None,
        created=view.now,
    )


@dataclass(frozen=True)
class _Found:
    """Traffic with its whole windows, some judged already; ``waiting`` rows are in no whole window yet."""

    traffic: Traffic
    windows: Sequence[Window]
    waiting: int


class _View:
    """One version's traffic, cut in one way, and what it is compared with."""

    def __init__(
        self,
        workspace: Workspace,
        version: Version,
        cut: Cut,
        since: datetime | None,
        first: int | None,
        right: Right | None,
        now: datetime,
    ) -> None:
        from tunewheel.feedback.drift.traffic import Cursor

        self.workspace, self.version, self.cut = workspace, version, cut
        self.first, self.right, self.now = first, right, now
        self.since = None if since is None else Cursor(since)
        self.described = f"first {first}" if first else "held out"
        self._who = (version.name, version.number)

    def whole(self, known: Sequence[tuple[Check, str | None]], say: Say) -> _Found:
        """The whole windows that are to be judged, with those before them that blocks reach back to."""
        from tunewheel.feedback.drift.traffic import Cursor, read_traffic
        from tunewheel.feedback.drift.watch import Window, cut_windows

        single = [(check, last) for check, last in known if check.windows == 1]
        context = single[-_CONTEXT:]
        after = self.start(say) if not single else None
        if single:
            before = single[: len(single) - len(context)]
            opened = context[0][0].start - timedelta(microseconds=1)
            after = Cursor(before[-1][0].end, before[-1][1] or "") if before and self.cut.rows else Cursor(opened)
        with self.workspace.read() as connection:
            if single and (waiting := self._short(connection, *single[-1])) is not None:
                return _Found(read_traffic(connection, *self._who, after=after, most=0), [], waiting)
            traffic = read_traffic(connection, *self._who, after=after, right=self.right)
        windows, row = [], 0
        for check, last in context:
            # Rows may have been erased since; what is left of them stands before the window's end.
            end = Cursor(check.end, last or "")
            stop = sum(Cursor(*pair) <= end for pair in zip(traffic.at, traffic.ids, strict=True))
            if self.cut.seconds:
                stop = sum(at < check.end for at in traffic.at)
            windows.append(Window(check.place, row, stop, check.start.timestamp(), check.end.timestamp()))
            row = stop
        times, place = traffic.seen.times[row:], single[-1][0].place + 1 if single else 0
        opened_at = windows[-1].end if windows else _opening(after, times, self.now)
        until = (self.now - _LATE).timestamp()
        for window in cut_windows(times, self.cut, start=opened_at, until=until, place=place):
            windows.append(window._replace(first=window.first + row, stop=window.stop + row))
        used = windows[-1].stop if windows else 0
        return _Found(traffic, windows, len(traffic.ids) - used)

    def _short(self, connection: Connection, check: Check, last: str | None) -> int | None:
        """How many rows came behind the last judged window, where they are no whole one yet; else None."""
        from tunewheel.feedback.drift.traffic import Cursor, count_traffic

        behind = Cursor(check.end, last or "") if self.cut.rows else Cursor(check.end)
        waiting = count_traffic(connection, *self._who, after=behind)
        if self.cut.rows:
            return waiting if waiting < self.cut.rows else None
        over = check.end + timedelta(seconds=self.cut.seconds) <= self.now - _LATE
        return None if over else waiting

    def start(self, say: Say) -> Cursor | None:
        """Where the first look begins: behind the exchanges compared with, and not more than `FIRST` windows back."""
        from tunewheel.feedback.drift.traffic import Cursor, count_traffic, place_of

        after = self._behind() if self.first else self.since
        with self.workspace.read() as connection:
            count = count_traffic(connection, *self._who, after=after)
            oldest = place_of(connection, *self._who, 1, after=after)
            if self.cut.rows:
                extra = (count // self.cut.rows - FIRST) * self.cut.rows
                begin = place_of(connection, *self._who, extra, after=after) if extra > 0 else None
            else:
                opened = (after or oldest or Cursor(self.now)).at
                extra = int((self.now - opened).total_seconds() // self.cut.seconds) - FIRST
                begin = Cursor(opened + timedelta(seconds=extra * self.cut.seconds)) if extra > 0 else None
        if begin is None:
            return after
        say("windows", f"{count:,} exchanges; the first look judges the newest {FIRST} windows of them")
        return begin

    def _behind(self) -> Cursor:
        from tunewheel.feedback.drift.traffic import count_traffic, place_of

        assert self.first is not None
        with self.workspace.read() as connection:
            found = place_of(connection, *self._who, self.first, after=self.since)
            if found is None:
                count = count_traffic(connection, *self._who, after=self.since)
                raise LoopError(
                    f"{self.version.ref} has {count:,} recorded exchanges, and {self.first:,} are to be compared with: "
                    "wait for more, or ask for fewer with --first"
                )
        return found

    def reference(self, say: Say) -> Reference:
        """What windows are compared with."""
        from tunewheel.feedback.drift import Reference
        from tunewheel.feedback.drift.traffic import read_traffic

        if self.first:
            with self.workspace.read() as connection:
                traffic = read_traffic(connection, *self._who, after=self.since, most=self.first, right=self.right)
            return Reference(traffic.seen)
        seen, vocabulary = held_out(self.workspace, self.version, say)
        return Reference(seen, vocabulary)

    def moved(self, alarm: Check, reference: Reference | None, say: Say) -> Moved | None:
        """What moved in the block that fired; None where its exchanges are not kept any more."""
        from tunewheel.feedback.drift.moved import what_moved
        from tunewheel.feedback.drift.traffic import Cursor, read_traffic

        opened = Cursor(alarm.start - timedelta(microseconds=1))
        end = alarm.end + timedelta(microseconds=1 if self.cut.rows else 0)
        with self.workspace.read() as connection:
            block = read_traffic(connection, *self._who, after=opened, until=end).seen
        return what_moved(reference or self.reference(say), block) if len(block) else None


def _opening(after: Cursor | None, times: npt.NDArray[np.float64], now: datetime) -> float:
    """When the first window by time begins: where the look begins, else with the first exchange."""
    if after is not None:
        return after.at.timestamp()
    return float(times[0]) if len(times) else now.timestamp()


def held_out(workspace: Workspace, version: Version, say: Say = lambda heading, line: None) -> tuple[Seen, list[str]]:
    """The rows a version was tested on, as its service would record them, and texts it learned from, both masked.

    Dev rows join a test split of fewer than 300 rows. What the model says of them is kept in the workspace's cache.

    Raises:
        LoopError: the version's dataset is not kept in this workspace, or has no such rows.
    """
    from tunewheel.data.privacy import Masker
    from tunewheel.feedback.drift import LEAST_ROWS, Seen
    from tunewheel.registry import kept_dataset

    dataset = kept_dataset(workspace, version.dataset) if version.dataset else None
    rows = [] if dataset is None else list(_held(dataset))
    if dataset is None or len(rows) < LEAST_ROWS:
        what = "are not kept in this workspace" if dataset is None else f"are {len(rows)}, too few"
        raise LoopError(
            f"the held-out rows of {version.ref} {what}: compare with the first exchanges, such as --first 1000"
        )
    masker = Masker()
    told = _told(workspace, version, dataset, rows, say)
    labels = [str(label) for label in told["label"]]
    vectors = told["vector"].astype(np.float32)
    seen = Seen.of(
        [masker.mask(row["text"]).text for row in rows],
        vectors=vectors if vectors.any() else None,
        labels=labels if any(labels) else None,
        confidences=told["confidence"],
        right=told["right"],
    )
    return seen, [masker.mask(row["text"]).text for row in islice(iter(dataset["train"]), READ)]


def _held(dataset: Dataset) -> Iterator[Mapping[str, Any]]:
    """Test rows, and dev rows where they are few; a sample of too many."""
    from tunewheel.data.features import sample

    splits = [split for split in ("test", "dev") if split in dataset.splits]
    used = splits[:1] if splits and dataset.rows[splits[0]] >= 300 else splits
    for split in used:
        chosen = set(sample(dataset.rows[split], HELD_OUT, 13).rows.tolist())
        yield from (row for place, row in enumerate(dataset[split]) if place in chosen)


def _told(
    workspace: Workspace, version: Version, dataset: Dataset, rows: Sequence[Mapping[str, Any]], say: Say
) -> npt.NDArray[Any]:
    """What the model says of rows: vector, label, confidence and whether it is right; kept in the cache."""
    from tunewheel.models import Model
    from tunewheel.store.files import write_whole

    # Named as other vectors of a dataset are, so that erasing rows takes it away too.
    chosen = hashlib.sha256("".join(str(row["id"]) for row in rows).encode()).hexdigest()[:8]
    path = workspace.cache_dir / "vectors" / f"drift-{version.artifact[:16]}-{chosen}-{dataset.fingerprint[:16]}.npy"
    if path.exists():
        return np.asarray(np.load(path))
    say("reference", f"{version.ref} answers {len(rows):,} held-out rows, once")
    told = answers_of(Model.load(version.path), rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _npy(told))
    return told


def _npy(array: npt.NDArray[Any]) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def answers_of(model: Model, rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[Any]:
    """What a model says of labelled rows, as its service records it; one entry a row.

    ``vector`` is projected (zeros for a model without), then ``label``, ``confidence``, and ``right``.
    """
    from tunewheel.feedback.exchanges import confidence_of, label_of
    from tunewheel.feedback.projection import WIDTH, project
    from tunewheel.models.exporting.variants import described

    predictions, vectors = described(model.predictor(), rows)
    labels = [label_of(each) or "" for each in predictions]
    width = max(map(len, labels), default=0) or 1
    kinds: list[Any] = [
        ("vector", np.float16, (WIDTH,)),
        ("label", f"U{width}"),
        ("confidence", float),
        ("right", float),
    ]
    told = np.zeros(len(rows), dtype=kinds)
    told["label"] = labels
    sure = [confidence_of(each) for each in predictions]
    told["confidence"] = [np.nan if each is None else each for each in sure]
    pairs = zip(rows, predictions, strict=True)
    told["right"] = [model.task.mistake(row, prediction) is None for row, prediction in pairs]
    if vectors is not None:
        told["vector"] = project(vectors)
    return told
