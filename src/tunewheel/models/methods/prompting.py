"""The methods that ask a language model in words: none of its weights learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunewheel.data.features import sample
from tunewheel.data.language import language
from tunewheel.models.backbones import KNOWN
from tunewheel.models.language.endpoint import check_server
from tunewheel.models.language.shield import masked_rows
from tunewheel.models.methods.base import Adaptation, Job, Method, MethodError, Refusal
from tunewheel.models.methods.fitting import fitted
from tunewheel.models.model import Model
from tunewheel.models.prompted import Plan, Prompted, Server
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, Task
from tunewheel.tasks.prompts import Lang

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress

_ASKED = {"mask": "mask", "cache": "answers", "budget": "budget", "prices": "prices"} | {
    name: name for name in ("timeout", "retries", "workers")
}
"""Options that say how a server is asked, and what `Server` calls them."""


@dataclass(frozen=True)
class ZeroShot(Method):
    """A language model is told the task and asked about each text.

    The base is the model: a folder or hub id of a causal model, or with ``endpoint`` its name on a server.
    ``instructions`` stand in place of ours, labels and the form of the answer follow them; ``descriptions`` say what
    labels mean. ``contextual`` is for a model on this machine, ``mask`` and what follows it for a server: see
    `tunewheel.models.prompted.Plan` and `tunewheel.models.language.endpoint.Endpoint`. ``cache`` keeps answers beyond
    the run.
    """

    name: ClassVar[str] = "prompt"
    summary: ClassVar[str] = "a language model is told the task in words; nothing learns"
    learns: ClassVar[bool] = False
    settings: ClassVar[frozenset[str] | None] = frozenset({"seed"})

    endpoint: str | None = None
    lang: Literal["auto", "en", "zh"] = "auto"
    instructions: str | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    answer_tokens: Annotated[int, Field(ge=1)] = 512
    contextual: bool = False
    mask: bool = True
    cache: str | None = None
    budget: Annotated[float, Field(gt=0)] | None = None
    prices: tuple[float, float] | None = None
    timeout: Annotated[float, Field(gt=0)] = 60.0
    retries: Annotated[int, Field(ge=0)] = 5
    workers: Annotated[int, Field(ge=1, le=256)] = 4

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """A task has to say how it is asked for."""
        if task.prompt is Task.prompt:
            return Refusal("it does not say how a language model is asked for it (`Task.prompt`)", "full")
        return None

    def prepare(self, job: Job) -> Adaptation:
        """Choose language, default and examples, and load a model that is on this machine; no server is asked yet."""
        self._check(job)
        rows = self._shown(job)
        lang = _language(job) if self.lang == "auto" else self.lang
        prompt = job.task.prompt(lang, self.instructions, self.descriptions)
        plan = self._plan(job, lang, prompt.default([row for row in job.train if _labelled(row, job.task)]))
        body = Prompted(plan, rows)
        if self.endpoint is None:
            body.language  # noqa: B018  what cannot be loaded is told now, not after an hour
        return Asking(self, Model(body, job.task, job.origin), job.recipe)

    def _check(self, job: Job) -> None:
        """Raise `MethodError` for a base that writes nothing, and for options that would do nothing."""
        if self.endpoint is None:
            if job.base in KNOWN:
                raise MethodError(
                    f"method {self.name!r}: base {job.base!r} writes no text; name a causal language model (--base "
                    "FOLDER or hub id), or a model on a server (--base NAME --set options.endpoint=URL)"
                )
            idle = [name for name in _ASKED if getattr(self, name) != _DEFAULTS[name]]
            if idle:
                raise MethodError(f"method {self.name!r}: options.{', options.'.join(idle)} need options.endpoint")
            return
        check_server(self.endpoint)
        if self.contextual:
            raise MethodError(f"method {self.name!r}: options.contextual needs scores, which a server does not tell")

    def _plan(self, job: Job, lang: Lang, default: dict[str, Any]) -> Plan:
        server = None
        if self.endpoint is not None:
            server = Server(self.endpoint, **{theirs: getattr(self, ours) for ours, theirs in _ASKED.items()})
        folder = Path(job.base)
        # A model folder is named as a whole path: the command that uses it may stand elsewhere.
        name = str(folder.resolve()) if server is None and folder.is_dir() else job.base
        told: dict[str, Any] = {"told": self.instructions, "descriptions": dict(self.descriptions), **self._examples()}
        told |= {"answer_tokens": self.answer_tokens, "contextual": self.contextual}
        return Plan(name, server, lang, default, **told)

    def _examples(self) -> dict[str, Any]:
        """What of the plan is about examples."""
        return {}

    def _shown(self, job: Job) -> list[dict[str, Any]]:
        """The rows that examples are taken from."""
        return []


@dataclass(frozen=True)
class FewShot(ZeroShot):
    """A language model is told the task and shown, for each text, the labelled rows that are most like it.

    ``examples`` rows of at most ``pool`` are shown, the likest last, as many as keep the prompt within ``tokens`` (on a
    server an estimate). Likeness is TF-IDF's unless ``vectors`` names a base; ``balance`` gives no label more than its
    share.
    """

    name: ClassVar[str] = "few-shot"
    summary: ClassVar[str] = "a language model is told the task and shown labelled rows like the text; nothing learns"
    learns: ClassVar[bool] = True

    examples: Annotated[int, Field(ge=1)] = 8
    pool: Annotated[int, Field(ge=1)] = 2000
    tokens: Annotated[int, Field(ge=1)] = 2000
    vectors: str | None = None
    balance: bool = False

    def _examples(self) -> dict[str, Any]:
        return {"shots": self.examples, "tokens": self.tokens, "vectors": self.vectors, "balanced": self.balance}

    def _shown(self, job: Job) -> list[dict[str, Any]]:
        """Labelled rows, only text and labels of them; what a server will see is masked here already."""
        rows = [row for row in job.train if _labelled(row, job.task)]
        if not rows:
            raise MethodError(f"method {self.name!r} shows labelled rows and there are none; use 'prompt'")
        if self.balance and any("label" not in row for row in rows):
            raise MethodError(f"method {self.name!r}: options.balance is for rows with one label each")
        columns = ("text", *job.task.targets())
        drawn = [rows[i] for i in sample(len(rows), self.pool, job.recipe.seed).rows.tolist()]
        kept = [{name: row[name] for name in columns if name in row} for row in drawn]
        return masked_rows(kept) if self.endpoint is not None and self.mask else kept


_DEFAULTS = {name: ZeroShot.__dataclass_fields__[name].default for name in _ASKED}


@dataclass(frozen=True)
class Asking(Adaptation):
    """A language model with its prompt; nothing is left to learn but what dev can calibrate."""

    method: ZeroShot
    model: Model
    recipe: Recipe

    @property
    def untrained(self) -> None:
        """Nothing learns, so there is no before."""
        return

    @property
    def _body(self) -> Prompted:
        assert isinstance(self.model.body, Prompted)
        return self.model.body

    @property
    def _scores(self) -> bool:
        """Whether answers come with their probabilities."""
        plan = self._body.plan
        return plan.server is None and self.model.task.prompt(plan.lang).scored is not None

    def described(self) -> str:
        """Who is asked, in which language, with which examples, and what stands in for an answer that is none."""
        plan = self._body.plan
        size = f"{self.model.parameters / 1e6:.1f} M parameters" if plan.server is None else f"at {plan.server.url}"
        shown = f", {plan.shots} examples of {len(self._body.rows)} rows" if plan.shots else ""
        default = "" if self._scores else f", unreadable answers count as {self.model.task.answer(plan.default)!r}"
        return f"{self.model.origin.base} ({size}), method {self.method.name}, asked in {plan.lang}{shown}{default}"

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, None]:
        """Calibrate on dev where probabilities are known; a server, which knows none, is not asked about dev at all."""
        self._body.keep = folder / "answers"
        return (fitted(self.model, dev) if self._scores else self.model), None


def _labelled(row: Row, task: Task) -> bool:
    """Whether a row may be shown as an example: it has labels, and they are some that the task learns."""
    return any(target in row for target in task.targets()) and task.learns(row)


def _language(job: Job) -> Lang:
    """The language of most texts; English where there are none."""
    rows = [*job.train, *job.unlabelled]
    some = [rows[i]["text"] for i in sample(len(rows), 500, job.recipe.seed).rows.tolist()]
    written = Counter(language(text) for text in some)
    return "zh" if written["zh"] > written["en"] + written["other"] else "en"
