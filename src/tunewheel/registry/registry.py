"""Registering, finding, promoting and rolling back versions."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from tunewheel.registry import aliases as moves
from tunewheel.registry import lineage
from tunewheel.registry.names import CHAMPION, Reference, RegistryError, check_name, parse, suggest
from tunewheel.registry.version import Move, Promotion, Version
from tunewheel.store.artifacts import Artifacts
from tunewheel.store.kinds import plain
from tunewheel.store.schema import aliases, datasets, runs, versions
from tunewheel.store.workspace import Workspace


class Registry:
    """The versions of a workspace.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as home, Workspace.open(home) as workspace:
    ...     model = Path(home, "model")
    ...     model.mkdir()
    ...     for number in ("1", "2"):
    ...         _ = (model / "config.json").write_text(number)
    ...         version = Registry(workspace).register(
    ...             model, name="tickets", task="classification", method="full", alias="champion"
    ...         )
    ...     print(version, "then", Registry(workspace).rollback("tickets", why="it was worse"))
    tickets:2 then tickets:1
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def __repr__(self) -> str:
        return f"Registry({self.workspace!r})"

    def register(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str,
        task: str,
        method: str,
        base: str | None = None,
        dataset: str | None = None,
        run: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        report: str | os.PathLike[str] | None = None,
        alias: str | None = None,
        why: str = "registered",
        by: str | None = None,
    ) -> Version:
        """Keep a model folder as the next version of `name`; with `alias`, promote it in the same moment.

        The files are kept first, then one transaction makes them a version: a process killed in between
        leaves no version, and the same call made again finishes. A run registers one version: registering
        its result again returns the version it has.

        Args:
            folder: the model.
            dataset, run: fingerprint and key, both recorded before (`tunewheel.store.records`).
            metrics: headline figures, as fractions of 1; what JSON can say.
            report: the report's folder or file.
            alias, why, by: as for `promote`.

        Raises:
            RegistryError: a bad name, an unrecorded dataset or run, or a run that registered something else.
            ArtifactError: the folder cannot be kept.
        """
        check_name(name)
        by = who(by)
        if alias is not None:
            check_name(alias, "alias")
            _check_why(why)
        row = {
            "name": name,
            "artifact": self.workspace.artifacts.put(folder),
            "dataset": dataset,
            "run": run,
            "task": task,
            "method": method,
            "base": base,
            "metrics": plain(metrics or {}),
            "report": None if report is None else self.workspace.artifacts.put(report),
        }

        def work(connection: Connection) -> Version:
            _check_recorded(connection, dataset, run)
            number = _registered(connection, row)
            if number is None:
                highest = select(func.max(versions.c.number)).where(versions.c.name == name)
                number = (connection.scalar(highest) or 0) + 1
                created = {"number": number, "created": datetime.now(UTC)}
                connection.execute(insert(versions).values(row | created))
                if alias is not None:
                    moves.promote(connection, name, number, alias, why=why, by=by)
            return self._one(connection, name, number)

        return self.workspace.transact(work)

    def resolve(self, reference: str) -> Version:
        """The version meant by ``name`` (its champion, else its latest), ``name:3`` or ``name@alias``.

        Raises:
            RegistryError: there is none (the message has the nearest), or its files are gone.
        """
        with self.workspace.read() as connection:
            return self._present(self._resolve(connection, parse(reference)))

    def verify(self, reference: str) -> Version:
        """Like `resolve`, and every byte of the model and its report is read again.

        Raises:
            ArtifactError: a file is missing, changed or added; the message names it.
        """
        version = self.resolve(reference)
        self.workspace.artifacts.verify(version.artifact)
        if version.report is not None:
            self.workspace.artifacts.verify(version.report.name)
        return version

    def versions(self, name: str | None = None) -> list[Version]:
        """Every version, or those of one name, by name and number.

        Raises:
            RegistryError: no model has this name.
        """
        with self.workspace.read() as connection:
            found = self._select(connection, name)
            if name is not None and not found:
                raise _unknown_name(connection, name)
            return found

    def aliases(self, name: str) -> dict[str, int]:
        """What the aliases of a name point at, as ``{"champion": 3}``."""
        with self.workspace.read() as connection:
            _require_name(connection, name)
            query = select(aliases.c.alias, aliases.c.number).where(aliases.c.name == name)
            rows = connection.execute(query.order_by(aliases.c.alias))
            return {row.alias: row.number for row in rows}

    def history(self, name: str, alias: str | None = None) -> list[Move]:
        """Every promotion and rollback of a name's aliases, or of one alias, oldest first."""
        with self.workspace.read() as connection:
            _require_name(connection, name)
            return moves.history(connection, name, alias)

    def promote(self, reference: str, *, alias: str = CHAMPION, why: str, by: str | None = None) -> Promotion:
        """Point an alias at a version, and record why, by whom and what it replaced, in one transaction.

        When the alias points there already nothing is done, and the `Promotion` says so.

        Args:
            reference: as for `resolve`.
            why: the reason, for whoever reads the history.
            by: who decided; the user of this process by default.

        Raises:
            RegistryError: no such version, its files are gone, a bad alias or no reason.
        """
        check_name(alias, "alias")
        _check_why(why)
        by, wanted = who(by), parse(reference)

        def work(connection: Connection) -> Promotion:
            version = self._present(self._resolve(connection, wanted))
            name, number = version.name, version.number
            replaced, moved = moves.promote(connection, name, number, alias, why=why, by=by)
            return Promotion(self._one(connection, name, number), alias, replaced, moved)

        return self.workspace.transact(work)

    def rollback(self, name: str, *, alias: str = CHAMPION, why: str, by: str | None = None) -> Version:
        """Undo the latest promotion of an alias that still stands; again, the one before it, and so on.

        After promoting 1, 2 and 3, rolling back gives 2; after promoting 4, rolling back gives 2 again, and
        then 1. See `tunewheel.registry.aliases`.

        Raises:
            RegistryError: there is nothing to go back to, or the files of the version before are gone.
        """
        check_name(name)
        check_name(alias, "alias")
        _check_why(why)
        by = who(by)

        def work(connection: Connection) -> Version:
            _require_name(connection, name)
            number = moves.rollback(connection, name, alias, why=why, by=by)
            return self._present(self._one(connection, name, number))

        return self.workspace.transact(work)

    def lineage(self, reference: str) -> dict[str, Any]:
        """Where a version comes from: its run with all settings, its dataset, and that dataset's parents.

        Returns:
            ``{"version": {…}, "run": {…} | None, "dataset": {…} | None, "parents": [{…}, …], "siblings": [{…}, …],
            "history": [{…}, …]}``, ready for JSON; parents stand nearest first, siblings learned from the same
            dataset. The version's files need not be there.
        """
        with self.workspace.read() as connection:
            return lineage.lineage(connection, self._resolve(connection, parse(reference)))

    def dataset_lineage(self, fingerprint: str) -> dict[str, Any]:
        """What a dataset was made from, and what was made from it.

        Returns:
            ``{"dataset": {…}, "parents": [{…}, …], "children": [{…}, …], "versions": [{…}, …]}``, ready for JSON.
        """
        with self.workspace.read() as connection:
            return lineage.dataset_lineage(connection, fingerprint)

    def _resolve(self, connection: Connection, reference: Reference) -> Version:
        name, number, alias = reference.name, reference.number, reference.alias
        _require_name(connection, name)
        if number is None:
            number = moves.current(connection, name, alias or CHAMPION)
        if number is None and alias is None:
            number = connection.scalar(select(func.max(versions.c.number)).where(versions.c.name == name))
        if number is None:
            known = connection.scalars(select(aliases.c.alias).where(aliases.c.name == name))
            raise RegistryError(f"{name} has no alias {alias!r}; {suggest(alias or '', known, 'aliases')}")
        return self._one(connection, name, number)

    def _one(self, connection: Connection, name: str, number: int) -> Version:
        if found := self._select(connection, name, number):
            return found[0]
        known = connection.scalars(select(versions.c.number).where(versions.c.name == name))
        near = sorted(sorted(known, key=lambda other: abs(other - number))[:3])
        raise RegistryError(f"there is no {name}:{number}; the nearest: {', '.join(f'{name}:{n}' for n in near)}")

    def _select(self, connection: Connection, name: str | None = None, number: int | None = None) -> list[Version]:
        query = select(versions).order_by(versions.c.name, versions.c.number)
        pointers = select(aliases).order_by(aliases.c.alias)
        if name is not None:
            query, pointers = query.where(versions.c.name == name), pointers.where(aliases.c.name == name)
        if number is not None:
            query = query.where(versions.c.number == number)
        named: dict[tuple[str, int], tuple[str, ...]] = {}
        for pointer in connection.execute(pointers):
            key = (pointer.name, pointer.number)
            named[key] = (*named.get(key, ()), pointer.alias)
        rows = connection.execute(query).mappings()
        return [_version(row, self.workspace.artifacts, named.get((row["name"], row["number"]), ())) for row in rows]

    def _present(self, version: Version) -> Version:
        if version.artifact in self.workspace.artifacts:
            return version
        raise RegistryError(
            f"{version} is registered, but its files are gone from {version.path}: "
            "restore them from a backup, or train again"
        )


def _version(row: RowMapping, artifacts: Artifacts, names: tuple[str, ...]) -> Version:
    values: dict[str, Any] = {key: value for key, value in row.items() if key != "id"}
    values["path"] = artifacts.path(row["artifact"])
    values["report"] = row["report"] and artifacts.path(row["report"])
    return Version(aliases=names, **values)


def _registered(connection: Connection, row: Mapping[str, Any]) -> int | None:
    """The number of the version this run registered, if it did."""
    if row["run"] is None:
        return None
    known = connection.execute(select(versions).where(versions.c.run == row["run"])).mappings().first()
    if known is None:
        return None
    if (known["name"], known["artifact"]) != (row["name"], row["artifact"]):
        ref = f"{known['name']}:{known['number']}"
        raise RegistryError(f"run {row['run']} registered {ref} already: another model is another run")
    number: int = known["number"]
    return number


def _check_recorded(connection: Connection, dataset: str | None, run: str | None) -> None:
    known = select(datasets.c.fingerprint).where(datasets.c.fingerprint == dataset)
    if dataset is not None and connection.scalar(known) is None:
        raise RegistryError(f"dataset {dataset} is not recorded: call tunewheel.store.record_dataset first")
    if run is not None and connection.scalar(select(runs.c.key).where(runs.c.key == run)) is None:
        raise RegistryError(f"run {run} is not recorded: call tunewheel.store.start_run first")


def _require_name(connection: Connection, name: str) -> None:
    if connection.scalar(select(versions.c.id).where(versions.c.name == name).limit(1)) is None:
        raise _unknown_name(connection, name)


def _unknown_name(connection: Connection, name: str) -> RegistryError:
    known = connection.scalars(select(versions.c.name).distinct())
    return RegistryError(f"there is no model {name!r}; {suggest(name, known, 'models')}")


def _check_why(why: str) -> None:
    if not why.strip():
        raise RegistryError("say why: the history keeps the reason of every move")


def who(by: str | None) -> str:
    """Whoever was named, by default the user of this process."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"
