"""`pretrain`: plain text in, a base out that `train` starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tunewheel.loop.reading import LoopError
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.models import Progress
    from tunewheel.models.pretraining.recipe import PretrainRecipe
    from tunewheel.models.pretraining.run import Outcome


_TABLES = (".csv", ".tsv", ".tab", ".json", ".parquet", ".pq")


def pretrain(
    text: str | Path,
    out: str | Path,
    *,
    base: str | None = None,
    column: str = "text",
    keep_out: Sequence[str | Path] = (),
    dedupe: bool = True,
    old: str | Path | None = None,
    half: bool = False,
    licence: str = "not stated",
    recipe: PretrainRecipe | None = None,
    progress: Callable[[float, float], Progress] | None = None,
    say: Say = lambda heading, line: None,
) -> Outcome:
    """Pretrain a base on plain text, from scratch or from ``base``; ``out`` is what ``train(base=out)`` takes.

    ``text`` is a file or folder: a paragraph a line (.txt, .md), or JSON Lines by ``column``; compressed ones in UTF-8.
    ``keep_out`` are texts to be measured on later: paragraphs that share 16 characters in a row with them are left out.
    A killed run is taken up by the same call, at the very batch. Work in progress lies in ``OUT.partial`` and stays
    there: with more ``recipe.tokens``, and ``out`` moved away, the run goes further; removed, it frees the disk.

    Raises `tunewheel.DataError` for text that cannot be read and `LoopError` for settings that do not fit it.

    >>> import tunewheel as tw
    >>> made = tw.pretrain("mails.txt", "bases/mails", base="minilm")     # doctest: +SKIP
    >>> tw.train("tickets.jsonl", base="bases/mails")                     # doctest: +SKIP
    """
    from tunewheel.models.backbones import BackboneError
    from tunewheel.models.pretraining.recipe import PretrainRecipe
    from tunewheel.models.pretraining.run import pretrain as run

    if old is not None and base is None:
        raise LoopError("old: what a base forgot can be told only of a base that goes on; name it by base")
    if Path(text).suffix.lower() in _TABLES:
        fix = f"tunewheel clean {text} -o rows.jsonl --drop-empty --task text --text COLUMN"
        raise LoopError(f"{text}: a table is no running text; write its rows as JSON Lines first: {fix}")
    try:
        return run(
            text,
            out,
            recipe or PretrainRecipe(),
            base=base,
            column=column,
            keep_out=keep_out,
            dedupe=dedupe,
            old=old,
            half=half,
            licence=licence,
            progress=progress,
            tell=say,
        )
    except BackboneError:
        raise
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise LoopError(str(error)) from error
