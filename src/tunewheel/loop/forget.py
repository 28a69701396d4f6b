"""`forget`: somebody asks for erasure, and the rows leave data, models and, on request, every file of the workspace."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.loop.again import settings_of
from tunewheel.loop.learn import train
from tunewheel.loop.reading import LoopError
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.data.erased import Erased
    from tunewheel.lineage.holdings import Holding
    from tunewheel.lineage.rows import Held
    from tunewheel.models import Progress
    from tunewheel.registry import Registry, Version
    from tunewheel.store import Erasure, Workspace


@dataclass(frozen=True)
class Forgotten:
    """What one `forget` found and did; no text of the rows stands in it.

    ``rows`` are id, split and dataset of each; ``near`` rows that stay although their text is nearly one of theirs.
    ``datasets`` has the revision made of each dataset that held them (None: it was not its line's newest, and no
    version learned from it). ``versions`` are those that learned from the rows or were measured on them, ``files``
    what they were read from outside this record, ``exchanges`` how many exchanges and pieces of feedback show the
    texts, which go with the rows, ``missing`` what was named and is neither id nor text here; ``retrained`` the
    versions that learned without them, ``untrained`` champions that could not be trained again and still know them;
    ``purged`` the files and folders that went or were written anew.
    """

    rows: list[dict[str, str]]
    near: list[dict[str, Any]]
    datasets: dict[str, str | None]
    versions: list[dict[str, Any]]
    files: list[str]
    exchanges: int = 0
    missing: list[str] = field(default_factory=list)
    erasure: int | None = None
    retrained: list[str] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)


def forget(
    *rows: str,
    contains: str | None = None,
    where: tuple[str, str] | None = None,
    model: str | None = None,
    why: str,
    by: str | None = None,
    retrain: bool = False,
    purge: bool = False,
    dry_run: bool = False,
    home: str | Path | None = None,
    database: str | None = None,
    lang: Literal["en", "zh"] = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
) -> Forgotten:
    """Take rows, named by id or whole text, out of every dataset the workspace keeps, and say who learned from them.

    Rows of the same text go too, white space aside, and so do recorded exchanges and feedback that show it: the next
    turn would learn from them again. What is read into the workspace later is passed through the record of erasures:
    such a text is left out. A new revision without them is made of each dataset that is the newest of its line or that
    a version learned from. ``retrain`` trains the champions among the
    versions that learned from the rows anew, by the settings of their runs; ``purge`` then removes the old datasets,
    cached files and whatever else in the workspace shows the text. Weights that learned from a row may still know it:
    only ``retrain`` answers that. Killed anywhere, the same call finishes.

    Args:
        rows: ids, of exchanges too, or whole texts.
        contains: rows whose text has this part, case aside.
        where: rows by a column and its value.
        model: only data that this model learned from, and its revisions.
        why: the reason, kept with the erasure.
        by: who asked; the user of this process by default.
        retrain, purge: see above.
        dry_run: only look.
        home, database: the workspace.
        lang: language of the new reports' pages.
        progress, say: where progress and remarks go.

    Raises:
        TraceError: nothing is found, or an id means several rows.
        LockedError: a run is learning from the rows at this moment.
    """
    from tunewheel.registry.registry import who
    from tunewheel.store import Workspace

    if contains is not None and not contains.strip():
        raise LoopError("--contains needs a part of a text: every text contains a blank one")
    if not rows and contains is None and where is None:
        raise LoopError("say which rows: ids or texts, --contains TEXT or --where COLUMN=VALUE")
    if not why.strip():
        raise LoopError("say why: the record of an erasure has its reason")
    with Workspace.open(home, database) as workspace, workspace.lock("forget", timeout=60):
        workspace.artifacts.sweep()
        search = _Search(workspace, rows, contains, where, model)
        found = search.found() or search.found_before()
        if dry_run:
            return found.told
        erasure = found.erase(why, who(by))
        retraining = _Retraining(workspace, erasure, why, lang, progress, say)
        if retrain:
            retraining.run()
        purged = found.purge(erasure) if purge else []
        told = asdict(found.told) | {"datasets": dict(erasure.datasets), "erasure": erasure.id}
        told |= {"retrained": retraining.made, "untrained": retraining.failed}
        return Forgotten(**told | {"purged": [str(path) for path in purged]})


@dataclass(frozen=True)
class _Search:
    workspace: Workspace
    rows: Sequence[str]
    contains: str | None
    where: tuple[str, str] | None
    model: str | None

    def found(self) -> _Found | None:
        """What is there to be forgotten; None where an earlier call has removed it all."""
        from tunewheel.data.erased import Erased, said_in
        from tunewheel.feedback.erase import find_recorded
        from tunewheel.lineage.holdings import find_holdings, near_copies, users

        how: dict[str, Any] = {"contains": self.contains, "column": self.where, "model": self.model}
        holdings = find_holdings(self.workspace, self.rows, **how)
        held = [row for holding in holdings for row in holding.rows]
        texts = {row.row["text"] for row in held}
        said = find_recorded(self.workspace, [*self.rows, *texts], contains=self.contains, name=self.model)
        if not held and not said:
            return None
        shown = {" ".join(part.split()) for row in held for part in said_in(row.row)}
        named = {row for row in self.rows if " ".join(row.split()) in shown}
        named |= {part for row in held for part in said_in(row.row) if self._means(part)}
        gone = Erased(texts | said.texts | named, {*(row.row["id"] for row in held), *said.exchanges})
        places = {
            (row.row["id"], row.split, holding.dataset.fingerprint) for holding in holdings for row in holding.rows
        }
        told = Forgotten(
            rows=[dict(zip(("id", "split", "dataset"), place, strict=True)) for place in sorted(places)],
            near=near_copies(holdings, gone),
            datasets={},
            versions=users(self.workspace, holdings),
            files=sorted({*self._files(held), *self._cleaned(gone)}),
            exchanges=len(said),
            missing=self._missing(held, gone),
        )
        return _Found(self.workspace, holdings, gone, told, self.model)

    def _means(self, part: str) -> bool:
        """Whether a part of a row, its answer or one of its two texts, is what the row was found by."""
        by_part = self.contains is not None and self.contains.casefold() in part.casefold()
        return by_part or (self.where is not None and part == self.where[1])

    def _missing(self, held: Sequence[Held], gone: Erased) -> list[str]:
        """What was named and is nothing here; a text may stand masked in a record of exchanges."""
        from tunewheel.data.erased import Erased
        from tunewheel.feedback.erase import as_recorded

        known = gone.ids | {row.row.get("original_id") for row in held}
        named = [row for row in self.rows if row not in known and not gone.is_text(row)]
        return [row for row in named if not any(map(gone.is_text, as_recorded(Erased([row], ())).texts))]

    def _files(self, held: Sequence[Held]) -> Iterator[str]:
        """The files that the rows were read from and that are still there, wherever this process stands."""
        from tunewheel.store import list_datasets

        known = [source for record in list_datasets(self.workspace) for source in record.summary.get("sources", ())]
        whole = {source["sha256"]: source["path"] for source in known}
        paths = {whole.get(row.source.sha256, row.source.path) for row in held if row.source is not None}
        return (path for path in paths if Path(path).is_file())

    def _cleaned(self, gone: Erased) -> Iterator[str]:
        """What `clean` wrote: datasets that hold the rows, files of rows, and records of what it took out of others."""
        from tunewheel.loop.clean import RECORD
        from tunewheel.store import list_datasets

        for out in {
            Path(path) for record in list_datasets(self.workspace) for path in record.summary.get("written", ())
        }:
            if _holds(out, gone):
                yield str(out)
            files = [out / RECORD, out.with_name(f"{out.stem}.{RECORD}")]
            files += [out, *out.with_suffix("").glob("*.jsonl")] if out.suffix == ".jsonl" else []
            for path in files:
                if path.is_file() and gone.stands_in(path.read_text(encoding="utf-8", errors="replace")):
                    yield str(path)

    def found_before(self) -> _Earlier:
        """The erasure that these rows went with. Raises `TraceError` where there is none."""
        from tunewheel.data.gather import text_key
        from tunewheel.lineage import TraceError
        from tunewheel.store import list_erasures
        from tunewheel.store.erasures import hashed

        for erasure in list_erasures(self.workspace):
            texts = {row for row in self.rows if f"{text_key(row):016x}" in erasure.texts}
            if self.rows and all(row in texts or hashed(row) in erasure.rows for row in self.rows):
                return _Earlier(self.workspace, erasure, texts)
        raise TraceError(f"no dataset and no exchange in {self.workspace.home} holds such a row; nothing was changed")


@dataclass(frozen=True)
class _Earlier:
    """What an earlier call has erased: a model may not have been trained again yet, and files have come since."""

    workspace: Workspace
    erasure: Erasure
    texts: set[str]

    @property
    def told(self) -> Forgotten:
        return Forgotten([], [], dict(self.erasure.datasets), [], [], erasure=self.erasure.id)

    def erase(self, _why: str, _by: str) -> Erasure:
        return self.erasure

    def purge(self, erasure: Erasure) -> list[Path]:
        """Take the texts, where they are named again, out of files that show them."""
        from tunewheel.data.erased import Erased
        from tunewheel.registry.purge import Purge

        return Purge(self.workspace, erasure, Erased(self.texts, ()), ()).run() if self.texts else []


@dataclass(frozen=True)
class _Found:
    workspace: Workspace
    holdings: list[Holding]
    gone: Erased
    told: Forgotten
    model: str | None

    def erase(self, why: str, by: str) -> Erasure:
        """Make the revisions without the rows, and record the erasure before they are seen; then exchanges go.

        The other way round a killed command would find its own revision made and not know it for that.
        """
        from tunewheel.feedback.erase import erase_exchanges
        from tunewheel.registry import keep_dataset
        from tunewheel.store import record_erasure

        left = self._left()
        made = {old: None if rows is None else rows.fingerprint for old, (_, rows) in left.items()}
        erasure = record_erasure(self.workspace, self.gone.ids, self.gone.keys, made, why=why, by=by)
        for name, rows in left.values():
            if rows is not None:
                keep_dataset(self.workspace, rows, name)
        erase_exchanges(self.workspace, self.gone, name=self.model)
        return erasure

    def _left(self) -> dict[str, tuple[str, Dataset | None]]:
        """What is left of each dataset, and its name; None where nobody will go on from it."""
        from tunewheel.lineage.holdings import Families
        from tunewheel.registry import Registry
        from tunewheel.registry.parents import what_was_left
        from tunewheel.store import list_datasets
        from tunewheel.store.erasures import erased_texts

        families = Families(list_datasets(self.workspace))
        standing = {
            record.fingerprint
            for version in Registry(self.workspace).versions()
            for record in what_was_left(self.workspace, version.dataset or "")
        }
        erased = erased_texts(self.workspace) | self.gone.keys
        left = {}
        for old, holding in {h.dataset.fingerprint: h for h in self.holdings}.items():
            record = families.records.get(old)
            wanted = families.newest(old) or old in standing
            left[old] = (record.name if record else old, _without(holding, erased) if record and wanted else None)
        return left

    def purge(self, erasure: Erasure) -> list[Path]:
        """Remove whatever in the workspace still shows the rows.

        The datasets that go tell of earlier erasures too: those rows go with these, else nothing could find them later.
        """
        from tunewheel.data.erased import Erased
        from tunewheel.feedback.erase import erase_exchanges
        from tunewheel.registry.purge import Purge
        from tunewheel.store.erasures import erased_texts

        keys = erased_texts(self.workspace, purged=False)
        owed = Erased.of(self._owed(keys), keys)
        erase_exchanges(self.workspace, Erased(owed.texts - self.gone.texts, ()), name=self.model)
        gone = Erased(self.gone.texts | owed.texts, self.gone.ids | owed.ids)
        return Purge(self.workspace, erasure, gone, tuple(holding.folder for holding in self.holdings)).run()

    def _owed(self, keys: Collection[int]) -> Iterator[Mapping[str, Any]]:
        """Rows in these datasets that were erased before and never purged."""
        from tunewheel.lineage.rows import held, with_keys

        for holding in self.holdings if keys else ():
            yield from (row.row for row in held(holding.dataset, with_keys(keys)))


@dataclass(frozen=True)
class _Retraining:
    """Champions that learned from erased rows, trained without them by the settings of their runs."""

    workspace: Workspace
    erasure: Erasure
    why: str
    lang: Literal["en", "zh"]
    progress: Progress | None
    say: Say
    made: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Train and promote what can be: ``made`` stand for the champions now, ``failed`` are those that stay.

        What stands in the way of one keeps neither the others nor the purge from being done.
        """
        from tunewheel.registry import CHAMPION, Registry

        registry = Registry(self.workspace)
        champions = [version for version in registry.versions() if CHAMPION in version.aliases]
        for version in champions:
            touched, left = self._left(version.dataset)
            if not touched:
                continue
            try:
                self.made.append(self._again(registry, version, left))
            except (ValueError, OSError, RuntimeError) as error:
                self.failed.append(version.ref)
                self.say("retrain", f"{version.ref} stays in front and knows the rows: {error}")

    def _left(self, dataset: str | None) -> tuple[bool, str | None]:
        """Whether this erasure touched a version's rows, or what purges had left of them; and what is left now."""
        from tunewheel.registry.parents import what_was_left

        known = (record.fingerprint for record in what_was_left(self.workspace, dataset or ""))
        touched = next((each for each in known if each in self.erasure.datasets), None)
        return touched is not None, self.erasure.datasets[touched] if touched else None

    def _again(self, registry: Registry, version: Version, dataset: str | None) -> str:
        from tunewheel.registry import CHAMPION, kept_dataset

        if version.method == "distill":
            raise LoopError("it is a student: distil it again once its teacher has forgotten")
        rows = kept_dataset(self.workspace, dataset or "")
        if rows is None or "train" not in rows.splits:
            raise LoopError("no row is left to learn from")
        given = settings_of(self.workspace, version)
        self.say("retrain", f"{version.name} on {rows.fingerprint[:12]}, by the settings of the run {version.run}")
        place: dict[str, Any] = {"home": self.workspace.home, "database": self.workspace.database}
        shown: dict[str, Any] = {"lang": self.lang, "progress": self.progress, "say": self.say}
        turn = train(rows, **given, **place, **shown, task=rows.task)
        if turn.champion is not None and next(iter(turn.champion.verdicts.values())) == "worse":
            raise LoopError(f"{turn.version} is measurably worse; promote it by hand, or train on more rows")
        registry.promote(turn.version.ref, alias=CHAMPION, why=f"trained without erased rows: {self.why}")
        return turn.version.ref


def _without(holding: Holding, erased: Collection[int]) -> Dataset | None:
    """The dataset without the rows that are meant and those erased before; None where that is all of it."""
    from tunewheel.data import DataError
    from tunewheel.data.erased import erased_places

    dataset = holding.dataset
    places = {(row.split, row.at) for row in holding.rows} | erased_places(dataset, erased)
    note = f"{len(places)} rows of {dataset.fingerprint[:12]} were erased"
    try:
        return dataset.edited(lambda split, at, row: None if (split, at) in places else row, note=note)
    except DataError:
        return None


def _holds(folder: Path, gone: Erased) -> bool:
    """Whether a folder is a stored dataset with such a text."""
    from tunewheel.data import Dataset
    from tunewheel.data.manifest import NAME

    if not (folder / NAME).is_file():
        return False
    dataset = Dataset.load(folder)
    batches = (batch for split in dataset.splits for batch in dataset.batches(split))
    return any(gone.is_text(text) for batch in batches for text in batch["text"].to_pylist())
