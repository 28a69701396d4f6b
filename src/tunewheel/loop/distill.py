"""`distill`: a registered model's answers in, a small registered student out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tunewheel.loop.reading import Located, LoopError, locate, read_dataset
from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.models.recipe import Recipe
from tunewheel.training import Say, Training, Turn

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation import Comparison, Report
    from tunewheel.models import Adaptation, Model, Progress
    from tunewheel.models.distillation.answers import Told
    from tunewheel.models.distillation.loss import Blend
    from tunewheel.models.distillation.student import Student
    from tunewheel.store import Workspace
    from tunewheel.tasks import Row, Task


def distill(
    model: str | Path,
    text: str | Path | None = None,
    *,
    student: Literal["pieces", "bilstm", "textcnn", "thin"] | None = None,
    base: str | None = None,
    name: str | None = None,
    column: str | None = None,
    layers: int | None = None,
    temperature: float = 2.0,
    share: float = 0.5,
    recipe: Recipe | None = None,
    home: str | Path | None = None,
    database: str | None = None,
    again: bool = False,
    lang: Literal["en", "zh"] = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
) -> Turn:
    """Let a small student learn from what ``model`` answers, and register it as a model like any other.

    It learns from the labelled rows that the workspace keeps for the teacher, and from ``text``: raw text in any form
    that can be read, its ``column`` found unless named. What of it stands in the rows is left out, so that nothing
    the student is measured on is learned from.

    The student is a BiLSTM that reads the teacher's ``pieces`` (tagging entities under a CRF), by its table brought
    down to fewer columns, unless told otherwise; a ``bilstm`` or a ``textcnn``, both of which read characters; or
    ``thin``: ``layers`` of the teacher's own, half of them by default. Any other ``base`` may stand in its place.
    ``share`` of the loss on labelled text is the teacher's, whose probabilities are softened by ``temperature``. The
    turn's comparison is with the teacher, on the same test rows; the report's facts state the share of its score, both
    speeds on one core, and both sizes.

    What the teacher answers is kept while the run lasts, so that a killed one is taken up by the same call.

    Raises `LoopError` where the workspace does not keep the teacher's rows, and for settings that do not fit;
    `tunewheel.models.ModelError` for a teacher that is no network.

    >>> import tunewheel as tw
    >>> turn = tw.distill("tickets", "unlabelled.jsonl", student="textcnn")     # doctest: +SKIP
    >>> turn.report.facts["speed on one core"]                                  # doctest: +SKIP
    """
    from tunewheel.models import Model
    from tunewheel.models.distillation.loss import Blend
    from tunewheel.registry import check_name
    from tunewheel.store import Workspace
    from tunewheel.store.files import sha256

    chosen = _chosen(student, base, layers)
    _check_blend(temperature, share)
    recipe = recipe or Recipe()
    workspace = Workspace.open(home, database)
    found = locate(model, workspace)
    teacher = Model.load(found.folder)
    called = name or f"{found.name}-{Path(chosen).name}"
    check_name(called)
    dataset = _learned_from(workspace, found, teacher)
    plain, rows = _unlabelled(text, column, dataset, workspace, say)
    settings = {
        **{"data": found.called, "name": called, "task": dataset.task, "base": chosen, "method": "distill"},
        **{"teacher": found.called, "teacher_sha256": sha256(found.folder / "tunewheel.json")},
        **{"unlabelled": plain.fingerprint if plain else None, "layers": layers},
        **({"unlabelled_sha256": plain.fingerprint} if plain else {}),  # which the run's key holds
        **{"temperature": temperature, "share": share, **asdict(recipe)},
    }
    work = Distilling(
        *(workspace, dataset, called, chosen, "distill", {}, {}, settings, recipe, lang, say),
        teacher=teacher,
        located=found,
        text=rows,
        blend=Blend(temperature, share),
        layers=layers,
    )
    return work.run(progress, (), again=again)


@dataclass(frozen=True, kw_only=True)
class Distilling(Training):
    """The piece of work behind `distill`: a teacher's answers stand beside the labels."""

    command: ClassVar[str] = "distill"

    teacher: Model
    located: Located
    text: Sequence[Row]
    blend: Blend
    layers: int | None

    def _task(self) -> Task:
        """The teacher's, not fitted yet; a base from nothing decides over entities by a CRF."""
        task = self.teacher.task.unfitted()
        config = task.config()
        crf = self.base in (*FROM_NOTHING, "pieces") and config.get("crf") is False
        return type(task).from_config({**config, "crf": True}) if crf else task

    def _prepared(self, task: Task, key: str) -> Adaptation:
        from tunewheel.models import Origin
        from tunewheel.models.distillation.answers import Answers
        from tunewheel.models.methods import Job

        train = list(self.dataset["train"])
        rows = [*train, *self.text]
        self.say("teacher", f"{self.located.called} answers {len(rows):,} rows, {len(self.text):,} of them unlabelled")
        answers = Answers.of(self.teacher, rows, self._folder(key) / "answers", _tenths(self.say))
        origin = Origin("distill", self.base, **self._declared(), settings=self.settings)
        return self._student(answers).prepare(Job(task, self.base, train, self._recipe(key), origin, self.text))

    def _student(self, answers: Sequence[Any]) -> Student:
        from tunewheel.models.distillation.student import Reader, Student, Thin

        if self.base == "pieces":
            return Reader(self.text, answers, self.blend, self.teacher)
        if self.base == "thin":
            return Thin(self.text, answers, self.blend, self.teacher, self.layers)
        return Student(self.text, answers, self.blend)

    def _before(self, ready: Adaptation, key: str) -> Report | None:
        """The teacher's own report on these rows."""
        return self._evaluated(self.teacher, self.located.called, key)

    def _told(self, model: Model, report: Report, comparison: Comparison | None) -> Report:
        from tunewheel.evaluation.messages import message, metric_name
        from tunewheel.evaluation.speed import speeds

        split = str(self._scored)
        rows = [dict(row) for row in self.dataset[split].select(range(min(512, len(self.dataset[split]))))]
        speed = speeds({"teacher": self.teacher, "student": model}, rows)
        mine, theirs = speed["student"], speed["teacher"]
        facts = {"teacher": self.located.called}
        if comparison:
            metric, found = next(iter(comparison.differences.items()))
            shares = ((found.before + d) / found.before if found.before else 0.0 for d in _three(found))
            value, low, high = (f"{100 * share:.1f} %" for share in shares)
            named = metric_name(metric, self.lang, model.task.metric_names)
            facts["of teacher"] = message("of teacher value", self.lang, share=value, low=low, high=high, metric=named)
        ratio = f"{mine.texts / theirs.texts:.1f}"
        rates = {"student": f"{mine.texts:,.0f}", "teacher": f"{theirs.texts:,.0f}", "ratio": ratio}
        facts["rate"] = message("rate value", self.lang, **rates)
        waits = {"student": f"{mine.latency:.1f}", "teacher": f"{theirs.latency:.1f}"}
        facts["latency"] = message("latency value", self.lang, **waits)
        facts["size"] = self._sizes(model)
        return replace(report, facts={**report.facts, **{message(k, self.lang): v for k, v in facts.items()}})

    def _sizes(self, model: Model) -> str:
        from tunewheel.evaluation.messages import message

        weights = {"student": f"{model.parameters / 1e6:.1f}", "teacher": f"{self.teacher.parameters / 1e6:.1f}"}
        files = sum(path.stat().st_size for path in self.located.folder.iterdir())
        return message(
            "size value", self.lang, **weights, bytes=f"{4 * model.parameters / 1e6:.0f}", others=f"{files / 1e6:.0f}"
        )


def _three(found: Any) -> tuple[float, float, float]:
    """A difference and the ends of its interval."""
    return found.value, found.low, found.high


def _chosen(student: str | None, base: str | None, layers: int | None) -> str:
    """The one base that the student starts from."""
    from tunewheel.models.distillation.student import STUDENTS

    if student is not None and base is not None:
        raise LoopError(f"student {student!r} and base {base!r}: name one of them, a base is a student too")
    if student is not None and student not in STUDENTS:
        raise LoopError(f"student={student}: expected {', '.join(STUDENTS)}; any other base is named by base")
    chosen = student or base or STUDENTS[0]
    if layers is not None and chosen != "thin":
        raise LoopError(f"layers={layers}: only the student 'thin' is made of its teacher's layers, not {chosen!r}")
    return chosen


def _check_blend(temperature: float, share: float) -> None:
    if not 0.1 <= temperature <= 100:
        raise LoopError(f"temperature={temperature:g}: expected 0.1 to 100; 1 leaves the teacher's probabilities alone")
    if not 0 <= share <= 1:
        raise LoopError(f"share={share:g}: expected 0 (gold labels alone where there are any) to 1 (the teacher alone)")


def _learned_from(workspace: Workspace, found: Located, teacher: Model) -> Dataset:
    from tunewheel.data.erased import without_erased
    from tunewheel.registry import kept_dataset
    from tunewheel.store.erasures import erased_texts

    dataset = kept_dataset(workspace, teacher.origin.dataset)
    if dataset is None:
        raise LoopError(
            f"the rows that {found.called} learned from are not kept in {workspace.home}: distil it in the workspace "
            "where it was trained (--home), or train it here first"
        )
    return without_erased(dataset, erased_texts(workspace), workspace.cache_dir)


def _unlabelled(
    text: str | Path | None, column: str | None, dataset: Dataset, workspace: Workspace, say: Say
) -> tuple[Dataset | None, list[Row]]:
    """The raw text as a dataset that the workspace keeps, and its rows but for those that stand in ``dataset``."""
    import numpy as np

    from tunewheel.registry import keep_dataset

    if text is None:
        return None, []
    plain = _read_raw(text, column, workspace)
    keep_dataset(workspace, plain, str(text))
    rows: list[Row] = []
    for split in plain.splits:
        known = [plain.overlap(held, split, of=dataset, near=held != "train") for held in dataset.splits]
        rows += plain[split].select(np.flatnonzero(~np.logical_or.reduce(known)))
    left_out = len(plain) - len(rows)
    gone = f", {left_out:,} others left out: they stand in the labelled rows" if left_out else ""
    say("text", f"{len(rows):,} unlabelled texts{gone}")
    return plain, rows


def _read_raw(text: str | Path, column: str | None, workspace: Workspace) -> Dataset:
    """Text of any form; a plain text file is a text a line."""
    from tunewheel.data import Dataset
    from tunewheel.data.infer import PLAIN
    from tunewheel.models.pretraining.text import paragraphs

    if {".txt", ".md"} & set(Path(text).suffixes):
        lines = [{"text": line} for line in paragraphs(text)]
        return read_dataset(Dataset.from_rows({"train": lines}, PLAIN), workspace)
    return read_dataset(text, workspace, task=PLAIN, text=column, dev=0.0, test=0.0)


def _tenths(say: Say) -> Told:
    """Tells how far the teacher is, at most ten times; nothing of a few rows."""
    seen = [0]

    def told(done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if total > 10_000 and tenth > seen[0]:
            seen[0] = tenth
            say("", f"{done:,} of {total:,} rows answered")

    return told
