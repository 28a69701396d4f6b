"""The README of a model folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.models.model import Model, Origin
    from tunewheel.tasks import Task


def model_card(model: Model) -> str:
    """A model card (Mitchell et al. 2019) in Markdown with the hub's front matter."""
    origin, task = model.origin, model.task
    tag = f"pipeline_tag: {task.pipeline}\n" if task.pipeline else ""
    dev = "\n".join(f"| {name} | {value:.4f} |" for name, value in origin.dev.items())
    fitted = "".join(f"\n{name.capitalize()}: {fact}.\n" for name, fact in task.facts().items())
    return f"""---
library_name: tunewheel
{tag}base_model: {origin.base}
---

# {task.name} model

Made by [Tunewheel](https://pypi.org/project/tunewheel/) on {origin.created}: `{origin.base}`, method
`{origin.method}`, {model.parameters:,} weights. It reads text and answers with {task.answers}.

```python
import tunewheel as tw

model = tw.Model.load("path/to/this/folder")
model.predict(["…"])
```

{_labels(task)}{_privacy(origin.privacy)}## Data

{_data(origin)}

## Dev scores

Figures with intervals are in the version's report; these chose the checkpoint, so they flatter the model.

| metric | value |
|---|---|
{dev or "| (no dev rows) | |"}
{fitted}

## Limits

{_scope(task)} What it learned, it learned from the dataset above: where your text differs, measure before you trust it.

## Settings

```json
{json.dumps(dict(origin.settings), indent=2, ensure_ascii=False)}
```
"""


def _labels(task: Task) -> str:
    """What it answers with, where that is labels."""
    if not task.labels:
        return ""
    shown = ", ".join(f"`{label}`" for label in task.labels[:50])
    more = f" and {len(task.labels) - 50} more" if len(task.labels) > 50 else ""
    return f"## Labels\n\n{shown}{more}\n\n"


def _data(origin: Origin) -> str:
    """The rows, by their fingerprint; a private model names none, since guesses could be tried against it."""
    if not origin.dataset and origin.privacy:
        return "The rows are not named: the registry that the model comes from knows them."
    parents = "; parents " + ", ".join(origin.parents) if origin.parents else ""
    return f"Dataset fingerprint `{origin.dataset}`{parents}.\n{_split(origin.split)}"


def _privacy(spent: Mapping[str, Any]) -> str:
    """What is promised to those whose rows it learned from."""
    if not spent:
        return ""
    whose = "every training row" if spent["unit"] == "row" else f"all training rows of one `{spent['unit']}` together"
    drawn = f"{100 * spent['sample_rate']:.3g} % of {spent['units']:,} units an update"
    return f"""## Privacy

(ε = {spent["epsilon"]:.4g}, δ = {spent["delta"]:.3g})-differential privacy of the weights, for {whose}: DP-SGD (Abadi
et al. 2016) with Poisson sampling of {drawn}, {spent["updates"]:,} updates, each unit's gradient cut to norm
{spent["clip"]:g}, noise multiplier {spent["noise_multiplier"]:.4g}, counted by Opacus's {spent["accountant"].upper()}
accountant (neighbours: {spent["neighbours"]}).

Not covered: rows of dev, which chose the checkpoint and calibrated it; the set of labels; the number of units. Another
model of the same rows spends its own ε on top.

"""


def _split(split: Mapping[str, Any]) -> str:
    """How the rows were divided, as the dataset declared it."""
    if not split:
        return ""
    shares = ", ".join(f"{name} {share:.3g}" for name, share in split["shares"].items())
    seed = "" if split["seed"] is None else f", seed {split['seed']}"
    return f"Split: {split['kind']} ({shares or 'no shares'}{seed}), fingerprint `{split['fingerprint'][:16]}`."


def _scope(task: Task) -> str:
    """What becomes of a text that has nothing to do with any label."""
    config = task.config()
    if task.writes:
        return (
            "It writes what is likely, not what is true, and answers even where it knows nothing: read what it writes."
        )
    if config.get("scope_threshold") is None:
        return (
            "It knows the labels above and no others, and answers with one of them even for a text that has nothing to "
            "do with any."
        )
    return (
        f"It knows the labels above and no others. A text that looks like none is answered with "
        f"`{config['out_of_scope']}`: where the prediction's `scope` (its {config['scope_score']}) is below "
        f"{config['scope_threshold']:.4g}. Its `confidence` then is 1 minus the nearest label's probability."
    )
