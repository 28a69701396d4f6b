"""What every method answers: the road from a base and labelled rows to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, Task

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained
    from tunewheel.models.model import Model, Origin
    from tunewheel.models.private.privacy import Privacy


class MethodError(ValueError):
    """A method cannot be used here: unknown, of no use for the task, the base or the rows, or wrongly set."""


class Refusal(NamedTuple):
    """Why a method is of no use for a task, and the ``nearest`` method that is."""

    reason: str
    nearest: str


def whole_texts(task: type[Task]) -> bool:
    """Whether a task labels texts as wholes, not places in them."""
    return set(task.targets()) <= {"label", "labels"}


def one_text(task: type[Task]) -> bool:
    """Whether a task labels single whole texts, so that texts without labels are more of the same."""
    return whole_texts(task) and not hasattr(task, "sides")


@dataclass(frozen=True)
class Job:
    """What is to be adapted to what.

    ``train`` are labelled rows (a method that learns from none may get none), ``unlabelled`` rows of text alone for
    the methods that use them; ``origin`` is what the model will declare of itself, method and base included;
    ``privacy`` is what is promised to whose rows these are; ``start`` is a model to go on from, in place of the base;
    ``gone`` are rows that it learned from and that do not hold any more, for a method that remembers.
    """

    task: Task
    base: str
    train: Sequence[Row]
    recipe: Recipe
    origin: Origin
    unlabelled: Sequence[Row] = ()
    privacy: Privacy | None = None
    start: Model | None = None
    gone: Sequence[Row] = ()


class Adaptation(ABC):
    """A job made ready: the base is loaded, settings are resolved for the rows and this machine, nothing has learned.

    ``untrained`` answers as the model would before it learns anything, or is None where that has no meaning.
    """

    recipe: Recipe

    @property
    @abstractmethod
    def untrained(self) -> Model | None:
        """The model before it learns."""

    @abstractmethod
    def described(self) -> str:
        """One line: base, method, size and what was resolved."""

    @abstractmethod
    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained | None]:
        """Learn from ``train``, choose on ``dev``, which may be empty.

        ``folder`` keeps what a killed run is taken up by. The second part of the answer says how the engine's updates
        went, None where it made none. Temperature and thresholds are fitted on ``dev``.
        """


class Method(ABC):
    """A road from a base to a task; a subclass is a frozen dataclass whose fields are its options.

    Third parties register one under the entry point group ``tunewheel.methods``.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people: what it learns, and from what."""
    learns: ClassVar[bool] = True
    """Whether it needs labelled rows."""
    based: ClassVar[bool] = True
    """Whether it starts from a base."""
    unlabelled: ClassVar[Literal["unused", "used", "needed"]] = "unused"
    """What texts without labels are to it."""
    settings: ClassVar[frozenset[str] | None] = None
    """The fields of `Recipe` that it goes by; None: all."""
    writes: ClassVar[bool] = False
    """Whether it can teach a language model to write (`Task.writes`); a subclass must say so anew."""
    private: ClassVar[bool] = False
    """Whether it learns by private updates alone (`tunewheel.models.private`); a subclass must say so anew."""
    continues: ClassVar[bool] = False
    """Whether it can go on from a model in place of a base; a subclass must say so anew."""
    remembers: ClassVar[bool] = False
    """Whether it then needs none of the rows that the model learned from: what they came to is kept with it."""

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """Why it is of no use for a task; None where it works."""
        return None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Build it from its options; raises `MethodError` naming all that it has not, or of the wrong kind."""
        from pydantic import TypeAdapter, ValidationError

        known: list[Any] = [field for field in fields(cls) if field.init]  # type: ignore[arg-type]
        names = [field.name for field in known]
        strange = [key for key in options if key not in names]
        if strange:
            told = f"it has {', '.join(names)}" if names else "it has none"
            raise MethodError(f"method {cls.name!r} has no option {', '.join(map(repr, strange))}; {told}")
        try:
            built: Self = TypeAdapter(cls).validate_python(dict(options))
        except ValidationError as error:
            wrong = "; ".join(f"options.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise MethodError(f"method {cls.name!r}: {wrong}") from None
        return built

    def options(self) -> dict[str, Any]:
        """Its options that differ from their defaults, as JSON values."""
        own: list[Any] = [field for field in fields(self) if field.init]  # type: ignore[arg-type]
        given = {field.name: getattr(self, field.name) for field in own}
        return {f.name: given[f.name] for f in own if f.default is MISSING or given[f.name] != f.default}

    @abstractmethod
    def prepare(self, job: Job) -> Adaptation:
        """Make a job ready. The same seed gives the same beginning.

        Raises `tunewheel.models.BackboneError` where the base cannot be loaded, `MethodError` where it has no use.
        """
