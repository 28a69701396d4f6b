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

_SETTINGS, _KEPT = "pretrain.json", "kept.json"
_FREE = ("tokens", "warmup", "decay", "checkpoint_seconds", "eval_steps", "precision")
"""What may change when a run is taken up again: how far it goes, not what it learns."""


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
    import torch

    from tunewheel.models.machine import fastest_precision, product_rate
    from tunewheel.models.pretraining import build
    from tunewheel.models.pretraining.card import write_card
    from tunewheel.models.pretraining.engine import Batches, pretrain_network

    out, work = Path(out), Path(f"{out}.partial")
    if out.exists():
        raise ValueError(f"{out} is there already; name another folder, or remove it first")
    if recipe.precision == "auto":
        recipe = replace(recipe, precision=fastest_precision())
    torch.manual_seed(recipe.seed)
    network: Any
    tokenizer = None
    if base is not None:
        network, tokenizer, recipe = build.continued(base, recipe)
    _agree(work, {**asdict(recipe), "base": base, "text": [str(p) for p in files_of(text)], "column": column})
    kept, shards, tokenizer = _prepared(text, column, keep_out, dedupe, tokenizer, recipe, work, tell)
    if base is None:
        network = build.new_network(recipe, len(tokenizer))
    batches = Batches(shards, tokenizer, recipe)
    tell("text", f"{len(shards.train):,} tokens to learn from, {len(shards.held):,} held out")
    older = _other(old, column, tokenizer, recipe, work) if old is not None else None
    before, forgotten = _before(network, batches, older, recipe) if base is not None else (None, None)
    flops, peak = float(network.flops(recipe.length, recipe.masked)), _peak(product_rate, recipe)
    run = pretrain_network(network, batches, recipe, work / "checkpoints", progress=progress and progress(flops, peak))
    after = _look(network, older, recipe) if older is not None else None
    outcome = Outcome(
        folder=out,
        run=run,
        recipe=recipe,
        kept=kept,
        counts=shards.counts,
        parameters=sum(p.numel() for p in network.backbone.parameters()),
        before=before,
        old=(forgotten, after) if forgotten is not None and after is not None else None,
        peak=peak,
        flops=flops,
    )
    made = work / "made"
    shutil.rmtree(made, ignore_errors=True)
    build.save_backbone(network, tokenizer, made, half=half)
    write_card(outcome, made, base=base, sources=[p.name for p in files_of(text)], licence=licence)
    made.replace(out)
    return outcome


def _agree(work: Path, settings: dict[str, Any]) -> None:
    """Take up the run in ``work`` only with the settings it began with."""
    fixed = {name: value for name, value in settings.items() if name not in _FREE}
    path = work / _SETTINGS
    if path.is_file():
        begun = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name in fixed if begun.get(name) != json.loads(json.dumps(fixed[name]))]
        if other:
            told = ", ".join(f"{name} {begun.get(name)!r}, now {fixed[name]!r}" for name in other)
            raise ValueError(f"{work} holds a run with other settings ({told}); remove it, or name another folder")
        return
    work.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(fixed, ensure_ascii=False, indent=1))


def _prepared(
    text: str | Path,
    column: str,
    keep_out: Sequence[str | Path],
    dedupe: bool,
    tokenizer: Any,
    recipe: PretrainRecipe,
    work: Path,
    tell: Tell,
) -> tuple[Kept, Shards, Any]:
    """Tokenizer and shards, made once and read again when a run is taken up."""
    from transformers import AutoTokenizer

    from tunewheel.models.pretraining.shards import read_shards, write_shards
    from tunewheel.models.pretraining.vocabulary import Kind, train_tokenizer

    folder, vocabulary = work / "shards", work / "tokenizer"
    found = read_shards(folder)
    if found is not None:
        stored = AutoTokenizer.from_pretrained(vocabulary, trust_remote_code=False)
        return Kept(**json.loads((folder / _KEPT).read_text(encoding="utf-8"))), found, stored
    guard = KeptOut(line for path in keep_out for line in paragraphs(path, column))
    drop = _repeated(paragraphs(text, column)) if dedupe else None

    def clean(kept: Kept) -> Iterator[str]:
        return cleaned(paragraphs(text, column), guard, drop, kept)

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
    from tunewheel.models.pretraining.engine import Batches
    from tunewheel.models.pretraining.shards import Shards, read_shards, write_shards

    folder = work / "old"
    if read_shards(folder) is None:
        write_shards(paragraphs(path, column), tokenizer, folder)
    found = read_shards(folder)
    assert found is not None
    return Batches(Shards(found.train, found.train_begins, found.train, found.train_begins, {}), tokenizer, recipe)


def _before(
    network: Any, batches: Any, older: Any, recipe: PretrainRecipe
) -> tuple[dict[str, float], dict[str, float] | None]:
    return _look(network, batches, recipe), _look(network, older, recipe) if older is not None else None


def _look(network: Any, batches: Any, recipe: PretrainRecipe) -> dict[str, float]:
    from tunewheel.models.pretraining.engine import look

    return look(network, batches, recipe)


def _peak(product_rate: Callable[..., float], recipe: PretrainRecipe) -> float:
    """The machine's rate for a product of the run's own shape, in GFLOP/s."""
    import torch

    kind = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    return product_rate(kind, (recipe.batch * recipe.length, recipe.width, 4 * recipe.width), 0.3)
