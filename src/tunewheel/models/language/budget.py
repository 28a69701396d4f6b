"""What answers cost, and a limit that is never passed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tunewheel.models.language.base import BudgetError


@dataclass
class Bill:
    """Tokens read and written for one answer: the most they can be, then what they were."""

    prompt_tokens: int
    completion_tokens: int


class Budget:
    """Counts what is spent and stops before ``limit`` is passed, however many threads spend at once.

    Args:
        limit: money where ``prices`` are given, else tokens; None for no limit.
        prices: of a million tokens read, and of a million written, in any currency.
        remedy: what the error of a spent budget advises.
    """

    def __init__(
        self,
        limit: float | None = None,
        prices: tuple[float, float] | None = None,
        remedy: str = "raise options.budget to go on",
    ) -> None:
        self.limit, self.prices, self._remedy = limit, prices, remedy
        self.prompt_tokens = self.completion_tokens = self.requests = 0
        self._open: list[float] = []
        self._change = threading.Condition()

    @property
    def spent(self) -> float:
        """Money, or tokens where no prices are known."""
        return self._cost(self.prompt_tokens, self.completion_tokens)

    def add(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Count what was spent before."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    @contextmanager
    def bill(self, prompt_tokens: int, completion_tokens: int) -> Iterator[Bill]:
        """Set the most that an answer can cost aside; what stands in the bill when the block is left is spent.

        Waits for answers on their way when only they stand between the limit and this one; raises `BudgetError` when
        nothing is on its way and too little is left.
        """
        bill, most = Bill(prompt_tokens, completion_tokens), self._cost(prompt_tokens, completion_tokens)
        with self._change:
            while self.limit is not None and self.spent + sum(self._open) + most > self.limit:
                if not self._open:
                    raise BudgetError(self._told(most))
                self._change.wait()
            self._open.append(most)
            self.requests += 1
        try:
            yield bill
        finally:
            with self._change:
                self._open.remove(most)
                self.add(bill.prompt_tokens, bill.completion_tokens)
                self._change.notify_all()

    def _cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        read, written = self.prices or (1e6, 1e6)
        return (prompt_tokens * read + completion_tokens * written) / 1e6

    def _told(self, most: float) -> str:
        unit = "" if self.prices else " tokens"
        return (
            f"budget: {self.spent:.6g} of {self.limit:.6g}{unit} are spent and the next answer may cost {most:.4g}; "
            f"{self._remedy}"
        )
