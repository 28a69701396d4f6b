"""What came of a study: the best settings, and whether they are measurably better than the defaults."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.models.methods import idle_settings, method_class
from tunewheel.models.recipe import Recipe
from tunewheel.tuning.search.objective import numbered
from tunewheel.tuning.search.plan import Plan
from tunewheel.tuning.search.study import seconds
from tunewheel.tuning.search.work import Studies, candidates, completed, reason

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tunewheel.data import Dataset
    from tunewheel.evaluation import Comparison, Report
    from tunewheel.evaluation.comparison import Difference
    from tunewheel.tasks import Row, Task

State = Literal["complete", "pruned", "failed"]
Verdict = Literal["defaults", "better", "worse", "undecided"]

ENOUGH = 5
"""Finished trials below which nothing can be said of a setting's importance."""


@dataclass(frozen=True)
class Trial:
    """One trial of a search: its values, its dev score (None: it failed or was ended early), how long it took."""

    number: int
    state: State
    value: float | None
    values: Mapping[str, Any]
    seconds: float
    reason: str | None
    defaults: bool


@dataclass(frozen=True)
class Finalist:
    """A trial's settings under fresh seeds: the dev score of each."""

    trial: Trial
    scores: Mapping[int, float]

    @property
    def mean(self) -> float:
        """Mean over the seeds; the search's own score where there was no final."""
        return statistics.fmean(self.scores.values()) if self.scores else self.trial.value or 0.0


@dataclass(frozen=True, eq=False)
class Tuned:
    """A finished study. Scores are of dev alone: the best was chosen on it, so its score there flatters.

    ``comparison`` is defaults against best, the fresh seeds' answers to the same dev rows taken together; None where
    the defaults are the best. ``chosen`` is what ``settings`` hold, which are what `tunewheel train --settings` reads.
    ``importances`` are shares of the dev score's spread (fANOVA), empty where too few trials tell.
    """

    name: str
    metric: str
    task: Task
    plan: Plan
    trials: Sequence[Trial]
    finalists: Sequence[Finalist]
    comparison: Comparison | None
    importances: Mapping[str, float]
    settings: Mapping[str, Any]
    rows: int
    page: Path | None = None
    file: Path | None = None

    @property
    def best(self) -> Finalist:
        """The settings with the best mean under fresh seeds; on a tie the defaults."""
        return max(self.finalists, key=lambda one: (one.mean, one.trial.defaults))

    @property
    def chosen(self) -> Finalist:
        """The best, or the defaults where it is no more than a standard error above them.

        So far ahead is the luckiest of several that are alike, on rows by which it was chosen (the one-standard-error
        rule: Breiman, Friedman, Olshen & Stone 1984).
        """
        found = self.difference
        return self.defaults if found is not None and found.value <= found.standard_error else self.best

    @property
    def defaults(self) -> Finalist:
        """The defaults under the same seeds."""
        return next(one for one in self.finalists if one.trial.defaults)

    @property
    def difference(self) -> Difference | None:
        """Defaults against best in the metric that was searched by; None where the defaults are the best."""
        return None if self.comparison is None else self.comparison.differences[self.metric]

    @property
    def verdict(self) -> Verdict:
        """Whether the best is measurably better than the defaults; ``defaults`` where it is these."""
        return "defaults" if self.difference is None else self.difference.verdict

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for `tunewheel.train`: base, method, options, the task's settings and the recipe."""
        values = self.chosen.trial.values
        recipe, options, of_task = self.plan.settled(values)
        idle = {key: getattr(Recipe(), key) for key in idle_settings(values["method"])}
        recipe = replace(recipe, **idle)
        of_task |= {"out_of_scope": of_task.get("out_of_scope") or False}  # None would be inferred again
        if self.task.writes:
            del of_task["out_of_scope"], of_task["seed"]
        rest = {key: self.settings[key] for key in ("unlabelled", "slices", "robustness") if key in self.settings}
        base = None if values["base"] == "none" else values["base"]
        return {"base": base, "method": values["method"], "options": options, **of_task, **rest, "recipe": recipe}

    def as_dict(self) -> dict[str, Any]:
        """The study as JSON values."""
        return {
            "name": self.name,
            "metric": self.metric,
            "verdict": self.verdict,
            "difference": self.difference and asdict(self.difference),
            "best": _told(self.best),
            "defaults": _told(self.defaults),
            "chosen": _told(self.chosen),
            "finalists": [_told(one) for one in self.finalists],
            "trials": [asdict(trial) for trial in self.trials],
            "importances": dict(self.importances),
            "settings": dict(self.settings),
            "dev_rows": self.rows,
            "page": str(self.page) if self.page else None,
            "file": str(self.file) if self.file else None,
        }


def _told(finalist: Finalist) -> dict[str, Any]:
    scores = {str(seed): value for seed, value in finalist.scores.items()}
    return {**asdict(finalist.trial), "scores": scores, "mean": finalist.mean}


def concluded(studies: Studies, dataset: Dataset, name: str, settings: Mapping[str, Any]) -> Tuned:
    """What came of the studies, which must be done; ``settings`` are those that stayed, in `train`'s words."""
    from tunewheel.tasks import task_class

    plan = studies.plan
    made = {trial.number: _trial(trial) for trial in studies.search.trials() if trial.state.is_finished()}
    runs = completed(studies.finals.trials())
    best = [made[trial.number] for trial in candidates(studies)]
    scores = {trial.number: {run.user_attrs["seed"]: run for run in _runs(runs, trial.number)} for trial in best}
    plain_scores = next(scores[one.number] for one in best if one.defaults)
    # One that failed where the defaults did not is no finalist; a seed under which one of the others failed compares
    # nothing.
    best = [one for one in best if one.defaults or not plain_scores or plain_scores.keys() & scores[one.number].keys()]
    scores = {one.number: scores[one.number] for one in best}
    seeds = [seed for seed in plan.seeds if all(seed in by_seed for by_seed in scores.values())]
    finalists = [Finalist(one, {seed: scores[one.number][seed].values[0] for seed in seeds}) for one in best]
    task = task_class(dataset.task).from_dataset(dataset, **plan.of_task)
    tuned = Tuned(
        *(name, task.selection, task, plan, list(made.values()), finalists, None),
        importances=_importances(completed(studies.search.trials()), plan.recipe.seed),
        settings=settings,
        rows=len(dataset["dev"]),
    )
    best_trial, plain = tuned.best.trial, tuned.defaults.trial
    if best_trial is not plain and seeds:
        from tunewheel.evaluation import compare

        rows = list(dataset["dev"])
        reports = [
            _pooled(task, rows, {seed: scores[one.number][seed] for seed in seeds}, called)
            for one, called in ((plain, "the defaults"), (best_trial, "the best found"))
        ]
        tuned = replace(tuned, comparison=compare(*reports, metrics=(task.selection,), seed=plan.recipe.seed))
    values = tuned.chosen.trial.values
    reads = method_class(values["method"]).unlabelled != "unused"
    idle = idle_settings(values["method"])
    kept = {key: value for key, value in settings.items() if key not in idle and (reads or key != "unlabelled")}
    return replace(tuned, settings={**kept, **_written(values)})


def _trial(trial: FrozenTrial) -> Trial:
    states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned"}
    state = states.get(trial.state.name, "failed")
    return Trial(
        trial.number,
        state,
        trial.values[0] if state == "complete" else None,
        trial.user_attrs.get("values", {}),
        seconds(trial),
        reason(trial) if state == "failed" else None,
        trial.user_attrs.get("road") == 0,
    )


def _runs(runs: Sequence[FrozenTrial], number: int) -> list[FrozenTrial]:
    return [run for run in runs if run.user_attrs["candidate"] == number]


def _pooled(task: Task, rows: list[Row], runs: Mapping[int, FrozenTrial], name: str) -> Report:
    """All seeds' answers as one report: a row is drawn with all its answers, so the interval is over rows."""
    from tunewheel.evaluation.scoring import scored

    every = [row for seed in runs for row in numbered(rows, seed)]
    answers = [answer for run in runs.values() for answer in run.user_attrs["answers"]]
    return scored(task, every, answers, name)


def _importances(trials: Sequence[FrozenTrial], seed: int) -> dict[str, float]:
    """The share of each parameter that all ``trials`` have (Hutter, Hoos & Leyton-Brown 2014), greatest first."""
    import optuna

    if len(trials) < ENOUGH or len({trial.values[0] for trial in trials}) == 1:
        return {}
    counts = {name: sum(name in trial.params for trial in trials) for trial in trials for name in trial.params}
    # A trial whose defaults lie outside the space lacks parameters that all others have.
    shared = [name for name, count in counts.items() if count >= len(trials) - 1]
    whole = [trial for trial in trials if all(name in trial.params for name in shared)]
    if len(whole) < ENOUGH or not shared:
        return {}
    study = optuna.create_study(direction="maximize")
    study.add_trials(whole)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a settings file holds them: a method's options in one place."""
    plain = {key: value for key, value in values.items() if "." not in key and (key, value) != ("base", "none")}
    options = {key.partition(".")[2]: value for key, value in values.items() if "." in key}
    return {**plain, **({"options": options} if options else {})}
