"""`topics`: what text without labels is about."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.loop.learn import default_base
from tunewheel.loop.reading import targets_of
from tunewheel.pages import several
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.data.check.corpus import Progress
    from tunewheel.data.topics import Topics
    from tunewheel.data.topics.gathering import Embed

TFIDF = "tfidf"
"""What is named in place of a base where words alone shall tell how alike texts are."""


def topics(
    data: str | Path | Dataset,
    *,
    named: str | None = None,
    base: str | None = None,
    count: int | None = None,
    near: float = 0.8,
    sample: int | None = None,
    seed: int = 13,
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
    **options: Any,
) -> Topics:
    """Find the topics of texts: of a file of lines or any other, a folder, or a dataset; see `find_topics`.

    Labels are not looked at. ``named`` is what a dataset is called. ``base`` is a pretrained model whose sentence
    vectors tell how alike texts are, or ``tfidf``; by default the one for the language of the texts, and TF-IDF where
    there is none at hand, which is said. ``count`` fixes the number of topics, ``sample`` is the most texts that they
    are made of; ``options`` go to `Dataset.read`. Bad rows are left out, and how many is said. To write rows out again,
    read the data once:

    >>> import tunewheel as tw
    >>> texts = tw.Dataset.read("desk.txt", task="text", format="lines")      # doctest: +SKIP
    >>> tw.topics(texts).write_rows(texts, "start.jsonl", per_topic=20)       # doctest: +SKIP

    Raises:
        DataError: not one row can be read.
        TopicsError: too few texts, or nothing in common.
        BackboneError: the base that was named cannot be loaded.
    """
    from tunewheel.data import Dataset, sources
    from tunewheel.data.topics import find_topics
    from tunewheel.data.topics.find import SAMPLE

    called = named or "DATA" if isinstance(data, Dataset) else data
    dataset = data if isinstance(data, Dataset) else read_texts_of(data, say, **options)
    by, vectors, notes = _reader(dataset, base, say)
    return find_topics(
        *(dataset, sources.shown(called)),
        vectors=vectors,
        by=by,
        count=count,
        near=near,
        size=SAMPLE if sample is None else sample,
        seed=seed,
        notes=notes,
        progress=progress,
    )


def read_texts_of(data: str | Path, say: Say = lambda heading, line: None, **options: Any) -> Dataset:
    """Read the rows of all splits as plain text: undivided, bad ones left out, a file without any form a text a line.

    Files that hold tokens and no text are read as their task has it. Raises `DataError`.
    """
    from tunewheel.data import DataError, Dataset
    from tunewheel.data.infer import PLAIN
    from tunewheel.data.readers.formats import Formless

    whole: dict[str, Any] = {"dev": 0.0, "test": 0.0, "on_error": "skip"}
    with tempfile.TemporaryDirectory(prefix="tunewheel-topics-") as folder:

        def read(task: str | None, **form: Any) -> Dataset:
            rejected = Path(folder) / "rejected.jsonl"
            given = {**options, **whole, **form, "task": task, "rejected": rejected, "targets": targets_of(task)}
            return Dataset.read(data, **given)

        try:
            dataset = read(options.get("task") or PLAIN)
        except Formless:
            dataset = read(PLAIN, format="lines")
        except DataError as error:
            try:
                dataset = read(options.get("task"))
            except DataError:
                raise error from None
    if bad := sum(source.rejected for source in dataset.sources):
        say("data", f"left out for they cannot be used: {several(bad, 'row')}; `tunewheel check` says why")
    return dataset


def _reader(dataset: Dataset, base: str | None, say: Say) -> tuple[str, Embed | None, tuple[str, ...]]:
    """What tells how alike texts are, by name, with what is to be said of it; None is TF-IDF."""
    from tunewheel.models.backbones import FROM_NOTHING, BackboneError
    from tunewheel.models.vectors import sentence_reader

    why = ""
    chosen = base or default_base(dataset, lambda heading, line: None)
    if chosen == TFIDF:
        return "TF-IDF", None, ()
    if base is None and chosen in FROM_NOTHING:
        why = "no pretrained base at hand reads these texts"
    else:
        try:
            reader = sentence_reader(chosen)
        except BackboneError as error:
            if base is not None:
                raise
            why = str(error).splitlines()[0]
    if why:
        note = f"vectors by TF-IDF, {why}: topics go by shared words and not by what is meant (--base names another)"
        return "TF-IDF", None, (note,)
    say("base", f"{chosen} (--base to change)")
    return chosen, lambda texts: reader.vectors({"text": text} for text in texts), ()
