"""What a worker does: trials until the budget is spent, then the best ones and the defaults under fresh seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tunewheel.tuning.search.drawing import Drawing, shown
from tunewheel.tuning.search.objective import Outcome, Pruned, trained
from tunewheel.tuning.search.plan import FINALISTS, Plan
from tunewheel.tuning.search.space import Road
from tunewheel.tuning.search.storage import opened, quiet_optuna
from tunewheel.tuning.search.study import Study, Work, seconds

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

    from tunewheel.data import Dataset
    from tunewheel.models import Progress
    from tunewheel.store import Workspace

Tell = Callable[[str, str], None]

_PAUSE = 1.0
"""Seconds between two looks at what others are still at."""


class TuningError(ValueError):
    """A study cannot go on: the defaults themselves failed."""


@dataclass(frozen=True)
class Studies:
    """A plan's two studies: the search, and the finals under fresh seeds."""

    plan: Plan
    search: Study
    finals: Study

    @classmethod
    @contextmanager
    def opened(cls, workspace: Workspace, plan: Plan) -> Iterator[Studies]:
        """Both, as long as the block lasts; they are made where there are none."""
        known: dict[str, Study] = {}

        def dead(study: Any, trial: Any) -> None:
            known[study.study_name].requeue(trial)

        with quiet_optuna(), opened(workspace, dead) as storage:
            for name in (plan.key, f"{plan.key}-finals"):
                known[name] = Study(workspace, storage, name, plan.sampler, plan.recipe.seed)
            yield cls(plan, *known.values())

    def roads(self, survey: Callable[[], Sequence[Road]]) -> list[Road]:
        """The study's roads; ``survey`` finds them where it has none, and what it measured stays."""
        told = self.search.note("roads", lambda: [road.as_dict() for road in survey()])
        return [Road.from_dict(road) for road in told]


def work(studies: Studies, roads: Sequence[Road], dataset: Dataset, progress: Progress | None, tell: Tell) -> None:
    """Do what is left of both studies, beside whoever else does; return when all of it is done.

    Raises `TuningError` if the defaults failed.
    """
    _search(studies, Drawing(roads), dataset, progress, tell)
    _finals(studies, dataset, progress, tell)


def _search(studies: Studies, drawing: Drawing, dataset: Dataset, progress: Progress | None, tell: Tell) -> None:
    search, plan = studies.search, studies.plan
    search.queue(lambda trials: _lacking_defaults(drawing, trials, plan))
    if not drawing.varied:
        tell("space", "nothing to choose between: the defaults are measured, and no more")
    with closing(_each(search, drawing, lambda trials: drawing.varied and _within(plan, trials))) as items:
        for item in items:
            watched = partial(_hopeless, plan, item)
            train = partial(trained, plan, dataset, item.values, item.folder, hopeless=watched, progress=progress)
            failed = _tried(search, item, train, tell)
            if failed and item.attributes.get("road") == 0:
                raise TuningError(f"the defaults failed, and so nothing can be measured against them: {failed}")
    if not any(trial.user_attrs.get("road") == 0 for trial in completed(search.trials())):
        raise TuningError("the defaults failed, and so nothing can be measured against them: the command again tries")


def _hopeless(plan: Plan, item: Work, value: float, part: int) -> bool:
    """Report a dev score; whether the median of the others was further at this part of the run. Defaults go on."""
    item.trial.report(value, part)
    return plan.prune and "road" not in item.attributes and item.trial.should_prune()


def _finals(studies: Studies, dataset: Dataset, progress: Progress | None, tell: Tell) -> None:
    plan, finals = studies.plan, studies.finals
    best = candidates(studies)
    if len(best) == 1:
        return
    values = {trial.number: trial.user_attrs["values"] for trial in completed(studies.search.trials())}
    finals.queue(lambda trials: _lacking_finals(plan, [trial.number for trial in best], trials))
    with closing(_each(finals, lambda trial: values[trial.user_attrs["candidate"]], lambda trials: False)) as items:
        for item in items:
            seed = item.attributes["seed"]
            _tried(
                finals,
                item,
                partial(trained, plan, dataset, item.values, item.folder, seed=seed, progress=progress),
                tell,
            )


def _each(
    study: Study, draw: Callable[[Trial], dict[str, Any]], more: Callable[[Sequence[FrozenTrial]], bool]
) -> Generator[Work, None, None]:
    """Trials one after another, until there is nothing to take and nobody else is at one."""
    while True:
        with study.taken(draw, more) as item:
            if item is not None:
                yield item
        if item is None:
            if not study.busy():
                return
            time.sleep(_PAUSE)


def _tried(study: Study, item: Work, train: Callable[[], Outcome], tell: Tell) -> str | None:
    """Do a trial and write down what came of it: an error ends the trial, not the study, and is the answer."""
    number, seed = item.attributes.get("candidate", item.trial.number), item.attributes.get("seed")
    name = f"trial {number}" if seed is None else f"trial {number}, seed {seed}"
    try:
        outcome = train()
    except Pruned:
        study.done(item, None, {}, pruned=True)
        tell("", f"{name} was ended early   {shown(item.values)}")
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        study.done(item, None, {"failed": told})
        tell("", f"{name} failed: {error}   {shown(item.values)}")
        return told
    else:
        kept = {"metrics": outcome.metrics} | ({} if seed is None else {"answers": outcome.answers})
        study.done(item, outcome.value, kept)
        tell("", f"{name}  dev {outcome.value:.4f}  {outcome.seconds:.0f} s   {shown(item.values)}")
    return None


def _within(plan: Plan, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the budget, counted over all workers, has room for a new trial."""
    if plan.trials is not None and len(trials) >= plan.trials:
        return False
    if plan.minutes is None:
        return True
    whole = [seconds(trial) for trial in completed(trials)]
    usual = sum(whole) / len(whole) if whole else 0.0
    finals = (FINALISTS + 1) * plan.repeats * usual
    return sum(map(seconds, trials)) + finals + usual <= 60 * plan.minutes


def _lacking_defaults(
    drawing: Drawing, trials: Sequence[FrozenTrial], plan: Plan
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The defaults of every road, the first road's first; those that failed once more."""
    from optuna.trial import TrialState

    room = len(drawing.roads) if plan.trials is None else max(1, plan.trials - len(trials))
    there = {t.user_attrs["road"] for t in trials if "road" in t.user_attrs and t.state != TrialState.FAIL}
    lacking = [number for number in range(len(drawing.roads)) if number not in there]
    return [(drawing.defaults(drawing.roads[number]), {"road": number}) for number in lacking[:room]]


def _lacking_finals(
    plan: Plan, numbers: Sequence[int], trials: Sequence[FrozenTrial]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    from optuna.trial import TrialState

    there = {(t.user_attrs["candidate"], t.user_attrs["seed"]) for t in trials if t.state != TrialState.FAIL}
    wanted = [(number, seed) for seed in plan.seeds for number in numbers]
    return [({}, {"candidate": number, "seed": seed}) for number, seed in wanted if (number, seed) not in there]


def candidates(studies: Studies) -> list[FrozenTrial]:
    """The best settings of the search, best first, and the defaults where they are not among them."""
    found = completed(studies.search.trials())
    ranked = sorted(found, key=lambda trial: (-trial.values[0], trial.number))[:FINALISTS]
    defaults = next(trial for trial in found if trial.user_attrs.get("road") == 0)
    return ranked if defaults in ranked else [*ranked, defaults]


def completed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that went to their end."""
    from optuna.trial import TrialState

    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def reason(trial: FrozenTrial) -> str:
    """Why a trial failed."""
    told: str = trial.user_attrs.get("failed", "its worker died again and again")
    return told
