"""The whole of a pretraining: text to shards, shards to a network, a network to a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.models.pretraining.recipe import PretrainRecipe
from tunewheel.models.pretraining.text import Kept, KeptOut, cleaned, files_of, paragraphs
from tunewheel.store.files import write_whole

if TYPE_CHECKING:
    import numpy as np

    from tunewheel.models.engine import Progress
    from tunewheel.models.pretraining.engine import Pretrained
    from tunewheel.models.pretraining.shards import Shards

Tell = Callable[[str, str], None]

_KEPT = "kept.json"


@dataclass(frozen=True)
class Outcome:
    """A finished pretraining: the folder of the base, how the run went, and what its text was.

    ``old`` holds held-out losses on the old domain's text before and after, where it was given.
    """

    folder: Path
    run: Pretrained
    recipe: PretrainRecipe
    kept: Kept
    counts: dict[str, int]
    parameters: int
    before: dict[str, float] | None
    old: tuple[dict[str, float], dict[str, float]] | None
    peak: float
    flops: float

    @property
    def share_of_peak(self) -> float:
        """Share of the machine's measured matrix-product rate that training reached."""
        return self.flops * self.run.tokens_per_second / 1e9 / self.peak


def pretrain(
    text: str | Path,
    out: str | Path,
    recipe: PretrainRecipe,
    *,
    base: str | None = None,
    column: str = "text",
    keep_out: Sequence[str | Path] = (),
    dedupe: bool = True,
    old: str | Path | None = None,
    half: bool = False,
    licence: str = "not stated",
    progress: Callable[[float, float], Progress] | None = None,
    tell: Tell = lambda heading, line: None,
) -> Outcome:
    """Pretrain on ``text`` and write the base to ``out``; work in progress lies in ``OUT.partial``.

    A killed run is taken up where it stood by the same call. ``keep_out`` are texts (files, their lines) that must not
    be learned from, ``dedupe`` leaves out paragraphs that repeat another nearly. With ``base`` that model goes on, and
    ``old`` (text of what it knew) tells what it forgot. ``progress`` is told the operations a token takes and the
    machine's rate in GFLOP/s, and gives what is shown of the run. Raises `DataError`, `BackboneError` and ValueError.
    """
    from tunewheel.models.pretraining.work import held
    from tunewheel.models.quiet import quiet

    out, work = Path(out), Path(f"{out}.partial")
    if out.exists():
        raise ValueError(f"{out} is there already; name another folder, or move it away first")
    given = _Given(text, out, work, base, column, tuple(keep_out), dedupe, old, half, licence)
    with quiet(), held(work):
        return _pretrained(given, recipe, progress, tell)


@dataclass(frozen=True)
class _Given:
    """What `pretrain` was asked for, beside the recipe; ``work`` is the folder of work in progress."""

    text: str | Path
    out: Path
    work: Path
    base: str | None
    column: str
    keep_out: tuple[str | Path, ...]
    dedupe: bool
    old: str | Path | None
    half: bool
    licence: str

    def settings(self, recipe: PretrainRecipe) -> dict[str, Any]:
        """All that what is learned depends on; of the files their size, which tells most changes."""
        kept_out = [path for source in self.keep_out for path in files_of(source)]
        files = [*files_of(self.text), *kept_out]
        return {
            **asdict(recipe),
            "base": self.base,
            "text": [str(path) for path in files_of(self.text)],
            "column": self.column,
            "keep_out": [str(path) for path in kept_out],
            "dedupe": self.dedupe,
            "bytes": [path.stat().st_size for path in files],
        }


def _pretrained(
    given: _Given, recipe: PretrainRecipe, progress: Callable[[float, float], Progress] | None, tell: Tell
) -> Outcome:
    import torch

    from tunewheel.models.machine import fastest_precision, product_rate
    from tunewheel.models.pretraining import build
    from tunewheel.models.pretraining.engine import Batches, check_enough, look, pretrain_network
    from tunewheel.models.pretraining.work import agree, checkpoints

    work = given.work
    if recipe.precision == "auto":
        recipe = replace(recipe, precision=fastest_precision())
    torch.manual_seed(recipe.seed)
    network: Any
    tokenizer = None
    if given.base is not None:
        network, tokenizer, recipe = build.continued(given.base, recipe)
    agree(work, given.settings(recipe))
    _goes_further(work, recipe)
    kept, shards, tokenizer = _prepared(given, tokenizer, recipe, tell)
    if given.base is None:
        network = build.new_network(recipe, len(tokenizer))
    check_enough(shards, recipe)
    batches = Batches(shards, tokenizer, recipe)
    tell("text", f"{len(shards.train):,} tokens to learn from, {len(shards.held):,} held out")
    older = _other(given.old, given.column, tokenizer, recipe, work) if given.old is not None else None
    before = look(network, batches, recipe) if given.base is not None else None
    forgotten = look(network, older, recipe) if older is not None else None
    flops, peak = float(network.flops(recipe.length, recipe.masked)), _peak(product_rate, recipe)
    shown = progress and progress(flops, peak)
    run = pretrain_network(network, batches, recipe, checkpoints(work), progress=shown, tell=tell)
    outcome = Outcome(
        folder=given.out,
        run=run,
        recipe=recipe,
        kept=kept,
        counts=shards.counts,
        parameters=sum(p.numel() for p in network.backbone.parameters()),
        before=before,
        old=(forgotten, look(network, older, recipe)) if older is not None and forgotten is not None else None,
        peak=peak,
        flops=flops,
    )
    _write(outcome, network, tokenizer, given, tell)
    return outcome


def _goes_further(work: Path, recipe: PretrainRecipe) -> None:
    """Raise ValueError where the run has learned from as many tokens as are asked for: weights do not unlearn."""
    from tunewheel.models.pretraining.work import updates

    begun = updates(work)
    if begun >= recipe.steps:
        learned = begun * recipe.batch * recipe.length
        raise ValueError(
            f"tokens {recipe.tokens:,}: the run in {work} has learned from {learned:,} already; give more, or remove it"
        )


def _write(outcome: Outcome, network: Any, tokenizer: Any, given: _Given, tell: Tell) -> None:
    """Write the base whole or not at all, and say what is left of the work."""
    from tunewheel.models.pretraining.build import save_backbone
    from tunewheel.models.pretraining.card import write_card
    from tunewheel.models.pretraining.work import size

    made = given.work / "made"
    shutil.rmtree(made, ignore_errors=True)
    save_backbone(network, tokenizer, made, half=given.half)
    sources = [path.name for path in files_of(given.text)]
    write_card(outcome, made, base=given.base, sources=sources, licence=given.licence)
    made.replace(given.out)
    tell(
        "kept",
        f"{given.work}, {size(given.work) / 1e6:,.0f} MB: with it the same command and more tokens, {given.out} moved "
        "away, goes further; remove it otherwise",
    )


def _prepared(given: _Given, tokenizer: Any, recipe: PretrainRecipe, tell: Tell) -> tuple[Kept, Shards, Any]:
    """Tokenizer and shards, made once and read again when a run is taken up."""
    from transformers import AutoTokenizer

    from tunewheel.models.pretraining.shards import read_shards, write_shards
    from tunewheel.models.pretraining.vocabulary import Kind, train_tokenizer

    folder, vocabulary = given.work / "shards", given.work / "tokenizer"
    found = read_shards(folder)
    if found is not None:
        stored = AutoTokenizer.from_pretrained(vocabulary, trust_remote_code=False)
        return Kept(**json.loads((folder / _KEPT).read_text(encoding="utf-8"))), found, stored
    guard = KeptOut(line for path in given.keep_out for line in paragraphs(path, given.column))
    drop = _repeated(paragraphs(given.text, given.column)) if given.dedupe else None

    def clean(kept: Kept) -> Iterator[str]:
        return cleaned(paragraphs(given.text, given.column), guard, drop, kept)

    if tokenizer is None:
        kind: Kind = "bpe" if recipe.objective == "clm" else "wordpiece"
        tell("vocabulary", f"{kind}, at most {recipe.vocabulary:,} entries")
        tokenizer = train_tokenizer(clean(Kept()), kind, recipe.vocabulary, recipe.length)
    tokenizer.save_pretrained(vocabulary)
    kept = Kept()
    folder.mkdir(parents=True, exist_ok=True)
    write_shards(_counting(clean(kept), kept, folder), tokenizer, folder)
    tell(
        "text",
        f"{kept.paragraphs:,} paragraphs, {kept.characters:,} characters; left out {kept.duplicates:,} repeated, "
        f"{kept.kept_out:,} that share a passage with what is kept out",
    )
    shards = read_shards(folder)
    assert shards is not None
    return kept, shards, tokenizer


def _counting(texts: Iterator[str], kept: Kept, folder: Path) -> Iterator[str]:
    """Pass the paragraphs on; their counts are on the disk before the shards are marked whole."""
    yield from texts
    write_whole(folder / _KEPT, json.dumps(asdict(kept)))


def _repeated(texts: Iterator[str]) -> np.ndarray:
    """Marks paragraphs that stand in the text before, nearly."""
    import numpy as np

    from tunewheel.data.duplicates import find_near

    clusters = find_near(texts).clusters()
    repeated: np.ndarray = clusters != np.arange(len(clusters))
    return repeated


def _other(path: str | Path, column: str, tokenizer: Any, recipe: PretrainRecipe, work: Path) -> Any:
    """Batches of another text, all of which is looked at only."""
    from tunewheel.data.gather import hash64
    from tunewheel.models.pretraining.engine import Batches
    from tunewheel.models.pretraining.shards import Shards, read_shards, write_shards

    files = [(str(file), file.stat().st_size) for file in files_of(path)]
    folder = work / f"old-{hash64(repr(files)):016x}"
    if read_shards(folder) is None:
        write_shards(paragraphs(path, column), tokenizer, folder)
    found = read_shards(folder)
    assert found is not None
    if len(found.train) < recipe.length:
        raise ValueError(
            f"old: {path} has {len(found.train):,} tokens, fewer than one sequence of {recipe.length}; give more text"
        )
    return Batches(Shards(found.train, found.train_begins, found.train, found.train_begins, {}), tokenizer, recipe)


def _peak(product_rate: Callable[..., float], recipe: PretrainRecipe) -> float:
    """The machine's rate for a product of the run's own shape, in GFLOP/s."""
    import torch

    kind = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    return product_rate(kind, (recipe.batch * recipe.length, recipe.width, 4 * recipe.width), 0.3)
