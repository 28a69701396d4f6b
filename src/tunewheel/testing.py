"""Contract suites for tasks and methods: run them on your own before you register it.

>>> from tunewheel.tasks.classification import Classification
>>> check_task(Classification(("no", "yes")), [{"text": "ja", "label": "yes"}, {"text": "nein", "label": "no"}])
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunewheel.tasks import IGNORED, Pieces, Row, Task, Window

if TYPE_CHECKING:
    from tunewheel.models import Model, Recipe


class ContractError(AssertionError):
    """A task or a method breaks a promise that the rest of Tunewheel relies on; the message says which and where."""


class PlainEncoder:
    """An encoder without a model: pieces are runs of three letters or single other characters.

    ``room`` is small by default, so that texts of a sentence's length already need windows.
    """

    def __init__(self, room: int = 96) -> None:
        self._room = room

    @property
    def room(self) -> int:
        """Pieces a window holds."""
        return self._room

    @property
    def separator(self) -> list[int]:
        """One piece between neighbouring rows."""
        return [998]

    def __call__(self, texts: Sequence[str]) -> list[Pieces]:
        """Cut each text into pieces, with an id from their characters."""
        encoded = []
        for text in texts:
            spans = [m.span() for m in re.finditer(r"[a-zA-Z]{1,3}|\d|[^\sa-zA-Z\d]", text)]
            ids = [sum(map(ord, text[a:b])) % 997 for a, b in spans]
            encoded.append(Pieces(ids, spans, [0] * len(ids)))
        return encoded


def check_task(task: Task, rows: Sequence[Row], *, room: int = 96) -> None:
    """Prove a task's contract on labelled rows; raises `ContractError` at the first broken promise.

    Checked: configuration survives JSON; it is said which column holds the labels; nothing given is changed; the same
    rows give the same windows; no piece of a row is lost and no window is too long; outputs that say what the labels
    say decode to those labels, score 1 and are no mistakes; a row is answered alike alone and among others; metrics
    stay in [0, 1], do not depend on the rows' order, and count a row of weight two as two rows; calibration
    (`Task.calibrated_by`) moves no answer. Rows that the task does not learn (`Task.learns`) are read and answered like
    any other, and stand in no labelled window. ``room`` should be
    small enough to cut some row into several windows. A task that writes (`Task.writes`) is never read in windows: of
    it all that is about answers and scores is checked.
    """
    if not rows:
        raise ContractError("give at least one labelled row")
    encoder = PlainEncoder(room)
    _check_config(task)
    before = copy.deepcopy(list(rows))
    if task.writes:
        _check_written(task, rows)
        _require(list(rows) == before, "a row was changed; tasks must leave their input as it is")
        return
    _check_answers(task, rows, encoder)
    learned = [row for row in rows if task.learns(row)]
    windows = _check_encoding(task, learned, encoder)
    _check_round_trip(task, learned, encoder, windows)
    _check_alone(task, learned, encoder)
    _check_metrics(task, learned, encoder)
    _check_fit(task, learned, encoder)
    _require(list(rows) == before, "a row was changed; tasks must leave their input as it is")


def _require(holds: bool, promise: str) -> None:
    if not holds:
        raise ContractError(promise)


def _check_config(task: Task) -> None:
    stored = json.loads(json.dumps(task.config()))
    again = type(task).from_config(stored)
    _require(again.config() == task.config(), "from_config(config()) must give the same task after a trip through JSON")
    _require(again.labels == task.labels, "a task built from its config must know the same labels, in the same order")
    _require(again.head() == task.head(), "a task built from its config must ask for the same head")
    missing = [name for name in ("name", "columns", "headline", "selection") if not getattr(task, name, None)]
    _require(not missing, f"a task must say its {', '.join(missing)}")
    _require("text" in task.columns and bool(task.targets()), "columns must be text and what holds the labels")


def _check_answers(task: Task, rows: Sequence[Row], encoder: PlainEncoder) -> None:
    windows = task.encode(rows, encoder)
    _require_all_pieces(rows, encoder, windows)
    head = task.head()
    shapes = [head.outputs if head.level == "sequence" else (len(w.ids), head.outputs) for w in windows]
    answers = task.decode(rows, encoder, windows, [np.zeros(shape) for shape in shapes])
    _require(len(answers) == len(rows), f"{len(rows)} rows gave {len(answers)} predictions")
    _require(task.decode([], encoder, [], []) == [], "no rows must give no predictions")
    learned = {part.row for w in task.encode(rows, encoder, labelled=True) for part in w.parts}
    wanted = {i for i, row in enumerate(rows) if task.learns(row)}
    _require(learned == wanted, "encode(labelled=True) must give windows for exactly the rows that the task learns")


def _check_encoding(task: Task, rows: Sequence[Row], encoder: PlainEncoder) -> list[Window]:
    windows = task.encode(rows, encoder, labelled=True)
    again = task.encode(rows, encoder, labelled=True)
    _require(windows == again, "encode must give the same windows for the same rows")
    _require(task.encode([], encoder) == [], "no rows must give no windows")
    _require(all(w.labels is not None for w in windows), "labelled=True must give every window its labels")
    _require_all_pieces(rows, encoder, windows)
    return windows


def _require_all_pieces(rows: Sequence[Row], encoder: PlainEncoder, windows: Sequence[Window]) -> None:
    seen: list[set[int]] = [set() for _ in rows]
    for window in windows:
        _require(len(window.ids) <= encoder.room, f"a window holds {len(window.ids)} pieces, room is {encoder.room}")
        for part in window.parts:
            seen[part.row].update(range(part.start, part.stop))
    pieces = encoder([row["text"] for row in rows])
    for index, row in enumerate(rows):
        lost = len(pieces[index].ids) - len(seen[index])
        _require(lost == 0, f"{lost} pieces of row {index} ({row['text'][:40]!r}) stand in no window")


def _perfect(task: Task, window: Window) -> Any:
    """Outputs that say, surely, what the window's labels say."""
    head, labels = task.head(), window.labels
    if head.loss == "binary":
        return np.where(np.array(labels) > 0.5, 20.0, -20.0)
    if head.level == "sequence":
        return np.where(np.arange(head.outputs) == labels, 20.0, 0.0)
    codes = np.array(labels, dtype=np.int64).reshape(-1, 1)
    return np.where((np.arange(head.outputs) == codes) & (codes != IGNORED), 20.0, 0.0)


def _decoded(task: Task, rows: Sequence[Row], encoder: PlainEncoder) -> list[dict[str, Any]]:
    windows = task.encode(rows, encoder, labelled=True)
    return task.decode(rows, encoder, windows, [_perfect(task, w) for w in windows])


def _check_round_trip(task: Task, rows: Sequence[Row], encoder: PlainEncoder, windows: list[Window]) -> None:
    predictions = task.decode(rows, encoder, windows, [_perfect(task, w) for w in windows])
    _require(len(predictions) == len(rows), f"{len(rows)} rows gave {len(predictions)} predictions")
    _check_perfect(task, rows, predictions)


def _check_perfect(task: Task, rows: Sequence[Row], predictions: Sequence[dict[str, Any]]) -> None:
    """Predictions that say what the rows say score 1 and are no mistakes."""
    json.dumps(predictions)
    scores = task.score(rows, predictions)
    for name in task.headline:
        value = task.metrics(scores)[name]
        _require(abs(value - 1) < 1e-9, f"outputs that say what the labels say must score 1, {name} is {value:.4f}")
    for index, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
        _require(task.mistake(row, prediction) is None, f"row {index} is answered as it is labelled, yet a mistake")
        json.dumps(task.answer(prediction))


def _check_alone(task: Task, rows: Sequence[Row], encoder: PlainEncoder) -> None:
    together = _decoded(task, rows, encoder)
    for index, row in enumerate(rows):
        if any(
            task.joins(*pair)
            for pair in (rows[max(0, index - 1) : index + 1], rows[index : index + 2])
            if len(pair) == 2
        ):
            continue  # read with its neighbours on purpose
        alone = _decoded(task, [row], encoder)[0]
        _require(_alike(alone, together[index]), f"row {index} is answered otherwise alone than among others")


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return abs(one - other) < 1e-5 if isinstance(one, float) else bool(one == other)


def _check_written(task: Task, rows: Sequence[Row]) -> None:
    """A task whose answers a language model writes: what it says of texts that were written."""
    _require((task.head().level, task.head().loss) == ("generate", "clm"), "a task that writes needs a head that does")
    said = [{"text": task.truth(row)} for row in rows]
    _check_perfect(task, rows, said)
    _check_figures(task, rows, said)
    fitted = task.fit(rows, said)
    _require(type(fitted).from_config(fitted.config()).config() == fitted.config(), "a fitted task must survive too")


def _check_metrics(task: Task, rows: Sequence[Row], encoder: PlainEncoder) -> None:
    _check_figures(task, rows, _decoded(task, rows, encoder))


def _check_figures(task: Task, rows: Sequence[Row], decoded: Sequence[dict[str, Any]]) -> None:
    # Every other row gets its neighbour's answer, so that scores are neither all right nor all wrong.
    answers = [decoded[i - 1] if i % 2 else decoded[i] for i in range(len(rows))]
    scores = task.score(rows, answers)
    n = len(rows)
    _require(all(len(array) == n for array in scores.values()), "every array of a score must have one entry a row")
    plain = task.metrics(scores)
    _require(all(0 <= value <= 1 for value in plain.values()), f"metrics must lie in [0, 1], got {plain}")
    # What a model that writes is chosen by is how probable it finds the answers, which texts alone do not tell.
    named = set(task.headline) | ({task.selection} if not task.writes else set())
    _require(named <= set(plain), "headline and selection must be among the metrics")
    order = np.arange(n)[::-1]
    _require(_close(plain, task.metrics({k: v[order] for k, v in scores.items()})), "metrics depend on the rows' order")
    _require(_close(plain, task.metrics(scores, np.ones(n))), "weights of one must change nothing")
    twice = np.repeat(np.arange(n), 1 + np.arange(n) % 2)
    doubled = task.metrics({k: v[twice] for k, v in scores.items()})
    _require(
        _close(doubled, task.metrics(scores, 1.0 + np.arange(n) % 2)), "a row of weight two must count as two rows"
    )


def _check_fit(task: Task, rows: Sequence[Row], encoder: PlainEncoder) -> None:
    """Fit on answers of many shades, right and wrong; with nothing but calibration taken over, all answers stay."""
    rng = np.random.default_rng(0)
    many = [row for row in rows for _ in range(1 + 200 // len(rows))]
    windows = task.encode(many, encoder, labelled=True)
    outputs = [0.1 * _perfect(task, w) + rng.normal(size=np.shape(_perfect(task, w))) for w in windows]
    answers = task.decode(many, encoder, windows, outputs)
    before = copy.deepcopy(answers)
    fitted = task.fit(many, answers).config()
    _require(answers == before, "fit must leave the predictions it is given as they are")
    kept = {key: fitted[key] for key in task.calibrated_by}
    calibrated = type(task).from_config({**task.config(), **kept})
    after = calibrated.decode(many, encoder, windows, outputs)
    same = [_answer(one) == _answer(other) for one, other in zip(answers, after, strict=True)]
    _require(all(same), f"calibration ({', '.join(kept)}) changed {same.count(False)} of {len(same)} answers")


def _answer(prediction: Any) -> Any:
    """A prediction without its numbers between whole ones: confidences and probabilities."""
    if isinstance(prediction, dict):
        return {key: _answer(value) for key, value in prediction.items() if not isinstance(value, float)}
    return [_answer(value) for value in prediction] if isinstance(prediction, list) else prediction


def _close(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[k] - other[k]) < 1e-9 for k in one)


def check_method(
    name: str,
    task: Task,
    rows: Sequence[Row],
    base: str,
    folder: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
) -> None:
    """Prove a method's contract on labelled rows; raises `ContractError` at the first broken promise.

    Checked: options survive JSON, and strange ones are refused before the base is looked for, as is a task that the
    method is of no use for; the same seed gives the same answers; nothing given is changed; every prediction has the
    task's form and does not depend on its neighbours; a saved model answers as before; what answers before it has
    learned does so in the task's form; a method that learns from no labels needs no rows. Methods that need texts
    without labels get those of ``rows``. ``folder`` must be empty.
    """
    from tunewheel.models import Recipe
    from tunewheel.models.methods import method_class, refusal

    chosen = method_class(name)
    given = dict(options or {})
    _check_options(name, task, given)
    if refusal(chosen, type(task)):
        _check_refusal(name, task)
        return
    before = copy.deepcopy(list(rows))
    settled = recipe or Recipe(epochs=1, batch_tokens=256, window=48, precision="fp32")
    road = _Road(name, task, base, given, settled, Path(folder))
    model = road.model(rows, "one")
    answers = _check_form(task, rows, model.predict(list(rows)))
    again = road.model(rows, "two").predict(list(rows))
    _require(_alike(answers, again), "the same rows and seed must give the same answers")
    loaded = type(model).load(model.save(Path(folder) / "model"))
    _require(_alike(answers, loaded.predict(list(rows))), "a saved model must answer as it did before")
    for index, row in enumerate(rows[:5]):
        if not any(task.joins(*pair) for pair in itertools.pairwise(rows)):
            alone = model.predict([row])[0]
            _require(_alike(alone, answers[index]), f"row {index} is answered otherwise alone than among others")
    _require(list(rows) == before, "a row was changed; methods must leave their input as it is")
    if not chosen.learns:
        _check_form(task, rows, road.model([], "none").predict(list(rows)))


class _Road:
    """One method with all that it is run on."""

    def __init__(
        self, name: str, task: Task, base: str, options: Mapping[str, Any], recipe: Recipe, folder: Path
    ) -> None:
        self.name, self.task, self.base, self.options = name, task, base, options
        self.recipe, self.folder = recipe, folder

    def model(self, rows: Sequence[Row], run: str) -> Model:
        """What comes of a run, its declarations checked."""
        from tunewheel.models import prepare
        from tunewheel.models.methods import method_class

        needed = method_class(self.name).unlabelled == "needed"
        beside = [{"text": f"{row['text']} …"} for row in rows] if needed else []
        ready = prepare(
            self.task, self.base, rows, self.recipe, method=self.name, options=self.options, unlabelled=beside
        )
        _require(self.name in ready.described(), "described() must name the method")
        if ready.untrained is not None and rows:
            _check_form(self.task, rows, ready.untrained.predict(list(rows)))
        model, trained = ready.train(rows, rows, self.folder / run)
        _require(model.origin.method == self.name, "a model must declare the method that it came by")
        _require(trained is None or trained.updates > 0, "what made no updates must answer None for how they went")
        return model


def _check_options(name: str, task: Task, options: Mapping[str, Any]) -> None:
    from tunewheel.models.methods import method_class, refusal

    made = method_class(name).from_options(options)
    stored = json.loads(json.dumps(made.options()))
    again = type(made).from_options(stored)
    _require(again == made and again.options() == made.options(), "options must survive a trip through JSON")
    _require(set(options) <= set(stored), "options() must hold every option that was given")
    if not refusal(type(made), type(task)):
        _require(_refused(name, task, {"no such option": 1}), "a strange option must be refused before any work")


def _check_refusal(name: str, task: Task) -> None:
    from tunewheel.models.methods import method_class, refusal

    refused = refusal(method_class(name), type(task))
    assert refused is not None
    _require(bool(refused.reason) and refused.nearest != name, "a refusal must say why, and which other method is near")
    _require(_refused(name, task, {}), "a task that the method is of no use for must be refused before any work")


def _refused(name: str, task: Task, options: Mapping[str, Any]) -> bool:
    """Whether the method is refused, rather than a base that nobody has."""
    from tunewheel.models import BackboneError, MethodError, Recipe, prepare

    try:
        prepare(task, "./no such base", [], Recipe(), method=name, options=options)
    except MethodError:
        return True
    except BackboneError:
        return False
    return False


def _check_form(task: Task, rows: Sequence[Row], predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    _require(len(predictions) == len(rows), f"{len(rows)} rows gave {len(predictions)} predictions")
    json.dumps(predictions)
    for index, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
        gold, answer = task.truth(row), task.answer(prediction)
        _require(type(gold) is type(answer), f"row {index} is answered with {answer!r}, labels are like {gold!r}")
    metrics = task.metrics(task.score(rows, predictions))
    _require(all(0 <= value <= 1 for value in metrics.values()), f"metrics must lie in [0, 1], got {metrics}")
    return predictions
