"""How much noise a promise takes, and what was spent of it: by Opacus's accountants."""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tunewheel.models.methods.base import MethodError
from tunewheel.models.private.privacy import Privacy, units_of
from tunewheel.store.files import write_whole
from tunewheel.tasks import Row

Accountant = Literal["prv", "rdp"]

_KEPT = "privacy.json"
_SMALLEST_BATCH = 64
_SHARE = 20


@dataclass(frozen=True)
class Plan:
    """A private training, settled: every number that the guarantee rests on.

    An update draws each of the ``units`` with probability ``rate`` on its own; ``batches`` updates are an epoch, so
    that each unit is met once in it on average. The sum of the drawn units' gradients, each cut to norm ``clip``, gets
    Gaussian noise of standard deviation ``noise`` · ``clip`` in every weight, and is divided by ``expected``.
    """

    target: float
    delta: float
    unit: str | None
    clip: float
    units: int
    batches: int
    epochs: int
    noise: float
    accountant: Accountant

    @property
    def rate(self) -> float:
        """The chance of a unit to stand in an update."""
        return 1 / self.batches

    @property
    def expected(self) -> float:
        """Units of an update, on average."""
        return self.units / self.batches

    @property
    def updates(self) -> int:
        """Of the whole training."""
        return self.batches * self.epochs

    def spent(self, updates: int) -> float:
        """ε after so many updates."""
        return epsilon(self.noise, self.rate, updates, self.delta, self.accountant)

    def told(self, updates: int) -> dict[str, Any]:
        """What the model declares of itself after ``updates``."""
        return {
            **{"epsilon": self.spent(updates), "delta": self.delta, "target_epsilon": self.target},
            **{"unit": self.unit or "row", "units": self.units, "clip": self.clip, "noise_multiplier": self.noise},
            **{"sampling": "poisson", "sample_rate": self.rate, "expected_batch": self.expected},
            **{"updates": updates, "accountant": self.accountant, "neighbours": "one unit added or removed"},
        }


def planned(privacy: Privacy, train: Sequence[Row], epochs: int) -> Plan:
    """Settle a private training of ``epochs`` on these rows; raises `MethodError` where it cannot be kept."""
    units = len(set(units_of(train, privacy.unit)))
    if not units:
        raise MethodError("dp_epsilon: the train split holds no rows")
    delta = privacy.delta if privacy.delta is not None else units**-1.1 if units > 1 else 0.5
    if delta >= 1 / units and units > 1:
        raise MethodError(
            f"dp_delta={delta:g}: with {units:,} units it must stay below {1 / units:.2g}, the chance to pick one of "
            "them and give it away whole"
        )
    batch = privacy.batch or max(_SMALLEST_BATCH, round(units / _SHARE))
    if batch > units and privacy.batch is not None:
        raise MethodError(f"dp_batch={batch}: there are {units:,} units; draw fewer at a time")
    batches = max(1, round(units / batch))
    noise, accountant = noise_for(privacy.epsilon, delta, 1 / batches, batches * epochs)
    return Plan(privacy.epsilon, delta, privacy.unit, privacy.clip, units, batches, epochs, noise, accountant)


@lru_cache(maxsize=32)
def noise_for(target: float, delta: float, rate: float, updates: int) -> tuple[float, Accountant]:
    """The least noise multiplier that keeps ``updates`` within ε = ``target``, and the accountant that says so.

    By composing privacy loss distributions (Gopi, Lee & Wutschitz 2021, "Numerical Composition of Differential
    Privacy"), whose upper bound counts; where that finds no figure, by Rényi divergences (Mironov, Talwar & Zhang
    2019), which ask for a little more noise.
    """
    from opacus.accountants.utils import get_noise_multiplier

    asked = {"target_epsilon": target, "target_delta": delta, "sample_rate": rate, "steps": updates}
    accountants: tuple[Accountant, ...] = ("prv", "rdp")
    for accountant in accountants:
        try:
            with _quiet():
                noise = float(get_noise_multiplier(**asked, accountant=accountant))
        except (ArithmeticError, MemoryError, RuntimeError, ValueError):
            continue
        spent = epsilon(noise, rate, updates, delta, accountant)
        if np.isfinite(spent) and spent <= target:
            return noise, accountant
    raise MethodError(f"dp_epsilon={target:g}: no noise was found that keeps {updates:,} updates within it; allow more")


def epsilon(noise: float, rate: float, updates: int, delta: float, accountant: Accountant = "prv") -> float:
    """ε that ``updates`` of the Poisson-subsampled Gaussian mechanism spend at ``delta``."""
    from opacus.accountants import create_accountant

    if updates == 0:
        return 0.0
    counted = create_accountant(mechanism=accountant)
    counted.history = [(noise, rate, updates)]
    with _quiet():
        return float(counted.get_epsilon(delta=delta))


def _quiet() -> Any:
    """The accountants try figures that overflow, and say so; what they answer is checked."""
    quiet = warnings.catch_warnings(action="ignore")
    return quiet


def kept(plan: Plan, folder: Path) -> tuple[Plan, int]:
    """The plan and the secret of the run in ``folder``: those that it began with, else these and a fresh secret.

    Draws and noise follow from the secret and the number of the update alone, so a run that is taken up goes on with
    the very noise it would have had. It comes from the operating system: were it the seed that the model declares,
    anyone could take the noise off again. It goes with the folder when the run is done.
    """
    path = folder / _KEPT
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Plan(**stored["plan"]), int(stored["secret"], 16)
    secret = secrets.randbits(128)
    write_whole(path, json.dumps({"plan": asdict(plan), "secret": f"{secret:x}"}))
    path.chmod(0o600)
    return plan, secret


def draw(plan: Plan, secret: int, update: int) -> list[int]:
    """The units of an update: each on its own with probability ``rate`` (Poisson sampling); possibly none.

    Not shuffled batches, for which the accountant's figures do not hold (Chua et al. 2024, "How Private are DP-SGD
    Implementations?").
    """
    chance = np.random.default_rng((secret, 0, update)).random(plan.units)
    return [int(unit) for unit in np.flatnonzero(chance < plan.rate)]


def noise_seed(secret: int, update: int) -> int:
    """What an update's noise begins with."""
    return int(np.random.SeedSequence((secret, 1, update)).generate_state(1, np.uint64)[0])
