"""A list of trials that any number of workers share: each is done once, those of dead workers again."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.store import LockedError
from tunewheel.tuning.search.storage import alive

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial

    from tunewheel.store import Workspace
    from tunewheel.tuning.search.plan import Sampler

DEATHS = 3
"""So often a trial may take its worker with it; then it counts as failed."""

_KEPT = ("road", "candidate", "seed")
HOST = socket.gethostname()


@dataclass(frozen=True)
class Work:
    """A trial in hand: its values, and the folder that holds what an earlier try left."""

    trial: Trial
    values: Mapping[str, Any]
    folder: Path

    @property
    def attributes(self) -> dict[str, Any]:
        """What it was queued with."""
        return self.trial.user_attrs


class Study:
    """Trials under one name in a storage; `taken` hands them out.

    Whoever takes a trial, queues some or declares one dead holds the workspace's turn to write, on SQLite and
    PostgreSQL alike, so that no two workers do so at once on whatever machines.
    """

    def __init__(self, workspace: Workspace, storage: RDBStorage, name: str, sampler: Sampler, seed: int) -> None:
        import optuna

        self.workspace, self.storage, self.name = workspace, storage, name
        self.sampler, self.seed = sampler, seed
        self.folder = workspace.runs_dir / name
        with workspace.begin():
            self.optuna = optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1, n_min_trials=3),
            )

    def trials(self) -> list[FrozenTrial]:
        """All trials but those that were taken up again after their worker died."""
        found = self.optuna.get_trials(deepcopy=False)
        again = {trial.user_attrs["after"] for trial in found if "after" in trial.user_attrs}
        return [trial for trial in found if trial.number not in again]

    def note(self, key: str, make: Callable[[], Any]) -> Any:
        """What the study knows under ``key``; made outside the turn, and the first worker's stays."""
        if key not in self.optuna.user_attrs:
            made = make()
            with self.workspace.begin():
                if key not in self.optuna.user_attrs:
                    self.optuna.set_user_attr(key, made)
        return self.optuna.user_attrs[key]

    def queue(self, wanted: Callable[[Sequence[FrozenTrial]], Sequence[tuple[dict[str, Any], dict[str, Any]]]]) -> None:
        """Queue the trials (params, attributes) that ``wanted`` finds lacking among those there are."""
        with self.workspace.begin():
            for params, attributes in wanted(self.trials()):
                self.optuna.enqueue_trial(params, user_attrs=attributes)

    @contextmanager
    def taken(
        self, draw: Callable[[Trial], dict[str, Any]], more: Callable[[Sequence[FrozenTrial]], bool]
    ) -> Iterator[Work | None]:
        """The next trial, its values by ``draw``: a dead worker's, a queued one, or where ``more`` allows, a new one.

        None where there is nothing to take now; `busy` says whether that may change.
        """
        with ExitStack() as held:
            with self.workspace.begin():
                self._revive()
                work = self._next(draw, more, held)
            if work:
                held.enter_context(alive(self.storage, self._id(work.trial.number)))
            yield work

    def _next(
        self,
        draw: Callable[[Trial], dict[str, Any]],
        more: Callable[[Sequence[FrozenTrial]], bool],
        held: ExitStack,
    ) -> Work | None:
        from optuna.trial import TrialState

        known = self.trials()
        if not any(trial.state == TrialState.WAITING for trial in known) and not more(known):
            return None
        # A seed a trial: what is drawn follows from the trials before it, however often the study was taken up.
        self.optuna.sampler = _sampler(self.sampler, self.seed + sum("host" in trial.user_attrs for trial in known))
        trial = self.optuna.ask()
        values = draw(trial)
        held.enter_context(self.workspace.lock(self._lock(trial.number)))
        self.storage.record_heartbeat(self._id(trial.number))
        for key, value in {"values": values, "host": HOST}.items():
            trial.set_user_attr(key, value)
        return Work(trial, values, self.folder / str(trial.user_attrs.get("folder", trial.number)))

    def busy(self) -> bool:
        """Whether trials are queued or in the hands of others."""
        return any(not trial.state.is_finished() for trial in self.trials())

    def done(self, work: Work, value: float | None, told: Mapping[str, Any], *, pruned: bool = False) -> None:
        """Write down what came of a trial (without a value it failed) and remove its folder."""
        from optuna.trial import TrialState

        for key, each in told.items():
            work.trial.set_user_attr(key, each)
        state = TrialState.PRUNED if pruned else TrialState.FAIL if value is None else TrialState.COMPLETE
        self.optuna.tell(work.trial, None if pruned else value, state, skip_if_finished=True)
        shutil.rmtree(work.folder, ignore_errors=True)

    def requeue(self, trial: FrozenTrial) -> None:
        """Queue a dead worker's trial once more, unless it killed too many."""
        deaths = trial.user_attrs.get("deaths", 0) + 1
        if deaths >= DEATHS:
            return
        attributes = {key: trial.user_attrs[key] for key in _KEPT if key in trial.user_attrs}
        folder = trial.user_attrs.get("folder", trial.number)
        self.optuna.enqueue_trial(
            trial.params, user_attrs={**attributes, "after": trial.number, "folder": folder, "deaths": deaths}
        )

    def _revive(self) -> None:
        """Declare the trials of dead workers dead: here at once, of other machines when signs of life stay away."""
        from optuna.storages import fail_stale_trials
        from optuna.trial import TrialState

        for trial in self.trials():
            if trial.state == TrialState.RUNNING and self._dead(trial):
                self.optuna.tell(trial.number, state=TrialState.FAIL)
                self.requeue(trial)
        fail_stale_trials(self.optuna)

    def _dead(self, trial: FrozenTrial) -> bool:
        host = trial.user_attrs.get("host")
        if host is None:  # its worker died in its turn, or it would be written down
            return True
        if host != HOST:
            return False
        try:
            with self.workspace.lock(self._lock(trial.number)):
                # It may have been finished, and only then let go, since it was looked at.
                return not self.storage.get_trial(self._id(trial.number)).state.is_finished()
        except LockedError:
            return False

    def _id(self, number: int) -> int:
        """What the storage calls a trial."""
        study = self.storage.get_study_id_from_name(self.name)
        return self.storage.get_trial_id_from_study_id_trial_number(study, number)

    def _lock(self, number: int) -> str:
        return f"{self.name}-{number}"


def _sampler(kind: Sampler, seed: int) -> BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    return RandomSampler(seed=seed) if kind == "random" else TPESampler(n_startup_trials=6, seed=seed)


def seconds(trial: FrozenTrial) -> float:
    """How long a trial has been worked on; nothing while it waits."""
    if trial.datetime_start is None:
        return 0.0
    return ((trial.datetime_complete or datetime.now()) - trial.datetime_start).total_seconds()
