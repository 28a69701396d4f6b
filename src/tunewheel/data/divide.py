"""Settling the split of every row: as the files have it, carved out of train, or inherited from a parent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tunewheel.data import split
from tunewheel.data.deal import Division
from tunewheel.data.gather import Seen, hash64
from tunewheel.data.infer import Schema
from tunewheel.data.inherit import HELD, Heritage, link_keys, settle
from tunewheel.data.manifest import Kind, Split
from tunewheel.data.readers.names import split_order

UNLABELLED = "unlabelled"


@dataclass
class Divider:
    """Divides what was seen. ``names`` has a split for each input, None where its rows are to be divided."""

    seen: Seen
    schema: Schema
    names: list[str | None]
    dev: float
    test: float
    seed: int
    heritage: Heritage | None = None
    notes: list[str] = field(default_factory=list)

    def __call__(self) -> tuple[Division, Split]:
        """Settle every row's split, say how in `notes`."""
        given = {name for name in self.names if name is not None}
        every = [name for name, _ in sorted(((name, None) for name in {*HELD, *given}), key=split_order)]
        of_input = np.array([every.index(name or "train") for name in self.names], dtype=np.int32)
        where = of_input[self.seen.array("inputs")]
        shares = self.heritage.shares if self.heritage else {"dev": self.dev, "test": self.test}
        open_shares = {name: 0.0 if name in given else share for name, share in shares.items()}
        if self.heritage:
            made = self._inherited(self.heritage, where, every, open_shares)
        else:
            made = self._carved(where, open_shares)
        division = Division(where, every)
        sizes = division.sizes
        if made.kind == "given":
            rows = max(1, sum(sizes.get(name, 0) for name in HELD))
            made = replace(made, shares={name: sizes.get(name, 0) / rows for name in ("dev", "test")})
        made = replace(made, fingerprint=_fingerprint(self.seen, division))
        self.notes.insert(
            0, f"split: {', '.join(f'{n} {name}' for name, n in sizes.items())} ({self._how(made, given)})"
        )
        self.notes.append(f"split fingerprint {made.fingerprint[:12]}: another one means that rows changed sides")
        return division, made

    def _carved(self, where: npt.NDArray[np.int32], shares: dict[str, float]) -> Split:
        """Take dev and test out of train, in place."""
        rows = np.flatnonzero(where == split.TRAIN)
        made = Split("given", group=self.schema.group)
        if not any(shares.values()) or not len(rows):
            return made
        if self.schema.time is not None:
            where[rows] = split.by_time(self.seen.array("times")[rows], **shares)
            return replace(made, kind="time", shares=shares, time=self.schema.time)
        documents, keys, groups = (self.seen.array(name)[rows] for name in ("documents", "keys", "groups"))
        kind: Kind = "grouped" if groups.any() else "stratified"
        if self._by_document(documents):
            # Documents quote each other's headlines; linking them by identical texts would join most into one.
            links, strata, kind = [documents, groups], np.zeros(len(rows), np.int64), "document"
        else:
            links, strata = [keys, groups], split.strata(self.seen.array("codes"), self.seen.array("ends"))[rows]
        where[rows] = split.assign(strata, split.components(links), **shares, seed=self.seed)
        return replace(made, kind=kind, seed=self.seed, shares=shares)

    def _by_document(self, documents: npt.NDArray[np.uint64]) -> bool:
        return self.schema.marks_spans and len(np.unique(documents[documents != 0])) > 2

    def _inherited(
        self, heritage: Heritage, where: npt.NDArray[np.int32], every: list[str], shares: dict[str, float]
    ) -> Split:
        """Give rows that stood in the parent their split back and new ones theirs, in place."""
        rows = np.flatnonzero(where != every.index(UNLABELLED)) if UNLABELLED in every else np.arange(len(where))
        texts, groups, documents = (self.seen.array(name)[rows] for name in ("keys", "groups", "documents"))
        every_id, before = self._id_keys(), where[rows]
        ids = every_id[rows]
        claims, whole = heritage.claims(ids, texts), self._by_document(documents)
        linked = split.components([documents, groups] if whole else [texts, groups])
        settled = settle(claims.ranks, heritage.of_groups(groups), linked, whole=whole)
        hashed = split.by_hash(link_keys(linked, groups, texts, whole=whole), **shares)
        # A file's own word counts for new rows alone, and what it calls train is what dev and test are taken from.
        where[rows] = np.where(settled >= 0, settled, np.where(before == split.TRAIN, hashed, before))
        kept = int(((claims.ranks >= 0) & (settled == claims.ranks)).sum())
        gone = heritage.gone(every_id, self.seen.array("keys"), claims.by_id)
        self.notes.append(
            f"revision of {heritage.fingerprint[:12]}: {kept} rows kept their split, {len(rows) - kept} are new, "
            f"{gone} are gone"
        )
        if not claims.by_id:
            self.notes.append("ids name other rows than in the parent: rows are known by their texts")
        given = np.array([name in self.names for name in every])
        if moved := int((given[before] & given[settled] & (settled >= 0) & (settled != before)).sum()):
            self.notes.append(f"rows in another split than their file says: {moved}; the parent's holds")
        inherited = replace(heritage.split, kind="inherited", shares=heritage.shares, group=self.schema.group)
        return replace(inherited, kept=kept)

    def _id_keys(self) -> npt.NDArray[np.uint64]:
        """Hashes of the rows' ids: their own, or those that will be made."""
        if self.seen.has_ids:
            return self.seen.array("own_ids")
        return np.fromiter(map(hash64, self.seen.made_ids(0, len(self.seen.ends))), np.uint64)

    def _how(self, made: Split, given: set[str]) -> str:
        if made.kind == "given":
            return "as given"
        if made.kind == "inherited":
            return "inherited; new rows by the hash of their group or text"
        if made.kind == "time":
            how = f"by time, column '{made.time}', the newest in test"
        elif made.kind == "document":
            how = f"by document, seed {made.seed}"
        else:
            groups = f", groups of '{made.group}' kept together" if made.kind == "grouped" else ""
            how = f"stratified{groups}, seed {made.seed}"
        if None not in self.names:
            carved = " and ".join(name for name, share in made.shares.items() if share)
            how = f"{how}; {carved} taken from train"
        return how


def oddities(seen: Seen, division: Division) -> Iterator[str]:
    """Say what is no error but should be known: texts or groups in two splits, labels never learned, overlaps."""
    keys, groups, codes, names = seen.array("keys"), seen.array("groups"), seen.array("codes"), list(seen.names)
    row_of = np.repeat(np.arange(len(division.where)), np.diff(seen.array("ends"), prepend=0))
    train = division.holds("train")
    for name in [name for name in division.sizes if name != "train" and train.any()]:
        here = division.holds(name)
        if leaked := int(np.isin(keys[here], keys[train]).sum()):
            yield f"texts of {name} that also stand in train: {leaked}"
        if shared := int((np.isin(groups[here], groups[train]) & (groups[here] != 0)).sum()):
            yield f"rows of {name} whose group also stands in train: {shared}"
        unseen = np.setdiff1d(codes[here[row_of]], codes[train[row_of]]).tolist()
        if unseen:
            labels = sorted(names[code] for code in unseen)
            yield f"{name} has labels that train has not: {', '.join(labels[:5])}" + ", …" * (len(labels) > 5)
    if seen.overlapping:
        yield f"rows whose entities overlap: {seen.overlapping}"


def _fingerprint(seen: Seen, division: Division) -> str:
    identities, total = seen.identities(), hashlib.sha256()
    for name, rows in division.sizes.items():
        here = np.sort(identities[division.holds(name)])
        total.update(f"\n{name} {rows} ".encode() + here.astype(">u8").tobytes())
    return total.hexdigest()
