"""The end of every method: temperature and thresholds fitted on dev."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tunewheel.models.model import Model
from tunewheel.tasks import Row
from tunewheel.tasks.calibration import calibration_error


def fitted(model: Model, dev: Sequence[Row]) -> Model:
    """The model with its task fitted on ``dev``; its calibration error there, before and after, joins the dev scores.

    Without dev rows the model as it is.
    """
    if not dev:
        return model
    predictions = model.predictor()(dev)
    task = model.task.fit(dev, predictions)
    if all(task.config()[key] is None for key in task.calibrated_by):
        return Model(model.body, task, model.origin)
    after = Model(model.body, task, model.origin).predictor()(dev)
    claims = {"ece_uncalibrated": model.task.claims(dev, predictions), "ece": task.claims(dev, after)}
    told = {name: float(calibration_error(made)) for name, made in claims.items() if made}
    return Model(model.body, task, replace(model.origin, dev={**model.origin.dev, **told}))
