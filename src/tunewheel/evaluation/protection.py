"""What a report says of differential privacy: the promise, what it cost in score, and what an attack still finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Self

from tunewheel.evaluation.comparison import Difference
from tunewheel.evaluation.membership import Attack, most_found
from tunewheel.evaluation.messages import message, metric_name
from tunewheel.evaluation.tables import percent
from tunewheel.pages import html_table

if TYPE_CHECKING:
    from tunewheel.evaluation.sections import Page


@dataclass(frozen=True)
class Protection:
    """A private training as its report tells of it.

    ``spent`` are the figures of the guarantee (epsilon, delta, unit, units, clip, noise_multiplier, sample_rate,
    expected_batch, updates, accountant …); ``attack`` is on this model, None where there are no rows to try it with.
    ``cost`` has the difference in each headline figure from the same training without privacy, and ``unprotected`` the
    attack on that one; both empty where it was not trained.
    """

    spent: Mapping[str, Any]
    attack: Attack | None = None
    unprotected: Attack | None = None
    cost: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def bound(self) -> float:
        """The share of members that no attack whatever can find at a false alarm in a hundred."""
        return most_found(self.spent["epsilon"], self.spent["delta"])

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **self.spent,
            "membership": self.attack and self.attack.as_dict(),
            "membership_unprotected": self.unprotected and self.unprotected.as_dict(),
            "tpr_bound": self.bound,
            "cost": {name: asdict(d) | {"verdict": d.verdict} for name, d in self.cost.items()},
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_dict` gave."""
        own = ("membership", "membership_unprotected", "tpr_bound", "cost")
        mine, plain = (Attack.from_dict(stored[key]) if stored[key] else None for key in own[:2])
        cost = {n: Difference(**{k: v for k, v in d.items() if k != "verdict"}) for n, d in stored["cost"].items()}
        return cls({key: value for key, value in stored.items() if key not in own}, mine, plain, cost)


def promise(spent: Mapping[str, Any]) -> str:
    """The guarantee in a line.

    >>> promise({"epsilon": 7.99, "delta": 1e-5, "unit": "row", "units": 900, "noise_multiplier": 0.8, "clip": 1.0})
    'ε 7.99 at δ 1e-05 for each of 900 units (row), noise 0.8 × clip 1'
    """
    return (
        f"ε {spent['epsilon']:.4g} at δ {spent['delta']:.2g} for each of {spent['units']:,} units ({spent['unit']}), "
        f"noise {spent['noise_multiplier']:.3g} × clip {spent['clip']:g}"
    )


def protection_section(page: Page) -> Iterator[str]:
    """The guarantee, its cost and the attack, as a section of the page."""
    found = page.report.protection
    if found is None:
        return
    spent = found.spent
    yield f"<h2>{page.say('privacy')}</h2>\n"
    unit = message("unit row" if spent["unit"] == "row" else "unit column", page.lang, column=spent["unit"])
    shown = {"epsilon": f"{spent['epsilon']:.4g}", "delta": f"{spent['delta']:.2g}", "units": f"{spent['units']:,}"}
    yield f"<p>{page.say('privacy note', **shown, unit=unit)}</p>\n"
    facts = {
        "noise": f"{spent['noise_multiplier']:.4g}",
        "clip": f"{spent['clip']:g}",
        "drawn": f"{100 * spent['sample_rate']:.3g} % ({spent['expected_batch']:,.0f})",
        "private updates": f"{spent['updates']:,}",
        "accountant": spent["accountant"].upper(),
    }
    yield html_table([page.say(key) for key in facts], [[escape(value) for value in facts.values()]], numbers=range(5))
    yield f'<p class="soft">{page.say("privacy covers")}</p>\n'
    yield from _cost(page, found)
    yield from _attacks(page, found)


def _cost(page: Page, found: Protection) -> Iterator[str]:
    if not found.cost:
        return
    yield f"<h3>{page.say('privacy cost')}</h3>\n"
    heads = [page.say(key) for key in ("metric", "unprotected", "protected", "difference")]
    lines = []
    for name, d in found.cost.items():
        change = f"{100 * d.value:+z.1f} [{100 * d.low:+z.1f}, {100 * d.high:+z.1f}]"
        verdict = f'<span class="verdict {d.verdict}">{page.say(d.verdict)}</span>'
        shown = escape(metric_name(name, page.lang, page.report.task.metric_names))
        lines.append([shown, f"{100 * d.before:.1f}", f"{100 * d.after:.1f}", change, f"{d.p:.3f}", verdict])
    yield html_table([*heads, "p", page.say("verdict")], lines, numbers=range(1, 5))


def _attacks(page: Page, found: Protection) -> Iterator[str]:
    told = {"protected": found.attack, "unprotected": found.unprotected}
    lines = [
        [
            page.say(name),
            percent(each.auc),
            percent(each.tpr) if each.tpr else "–",
            f"{each.members:,} / {each.others:,}",
        ]
        for name, each in told.items()
        if each
    ]
    if not lines:
        return
    yield f"<h3>{page.say('membership')}</h3>\n"
    yield f'<p class="soft">{page.say("membership note", bound=f"{100 * found.bound:.1f}")}</p>\n'
    yield html_table(
        [page.say(key) for key in ("model", "attack auc", "attack tpr", "attack rows")], lines, numbers=range(1, 4)
    )
