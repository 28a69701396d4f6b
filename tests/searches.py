"""Small searches, and rows whose settings make a difference."""

import random

from tunewheel.models import Recipe

RECIPE = Recipe(batch_tokens=256, window=48, precision="fp32", epochs=2)
SPACE = {"learning_rate": "1e-4..1e-2", "epochs": "1..2", "dropout": [0.0, 0.1]}
FEW = {"trials": 4, "repeats": 1, "recipe": RECIPE, "search": SPACE}


def noisy(rows):
    """Rows that are not all learned, so that settings differ."""
    dice = random.Random(3)
    return [{**row, "label": dice.choice(["lost", "balance"]) if dice.random() < 0.3 else row["label"]} for row in rows]


def seen(tuned):
    return [(trial.number, trial.state, trial.value, dict(trial.values)) for trial in tuned.trials]
