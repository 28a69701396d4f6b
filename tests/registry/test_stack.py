"""Promotion and rollback against the simplest model of them: a Python list."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tunewheel.registry import Registry, RegistryError
from tunewheel.registry.aliases import stack

ALIASES = st.sampled_from(["champion", "challenger"])


def test_promote_and_rollback_are_push_and_pop(registry: Registry, model: Path) -> None:
    names = (f"model-{number}" for number in count())

    class Aliases(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.name = next(names)
            self.versions = 0
            self.moves = 0
            self.stacks: dict[str, list[int]] = {"champion": [], "challenger": []}

        @rule(alias=st.none() | ALIASES)
        def register(self, alias: str | None) -> None:
            version = registry.register(model, name=self.name, task="ner", method="full", alias=alias)
            self.versions += 1
            assert version.number == self.versions
            if alias:
                self.stacks[alias].append(self.versions)
                self.moves += 1

        @precondition(lambda self: self.versions)
        @rule(alias=ALIASES, choice=st.integers(0, 100))
        def promote(self, alias: str, choice: int) -> None:
            number, pushed = choice % self.versions + 1, self.stacks[alias]
            before = pushed[-1] if pushed else None
            promotion = registry.promote(f"{self.name}:{number}", alias=alias, why="x")
            assert (promotion.replaced, promotion.moved) == (before, before != number)
            if before != number:
                pushed.append(number)
                self.moves += 1

        @precondition(lambda self: self.versions)
        @rule(alias=ALIASES)
        def rollback(self, alias: str) -> None:
            if len(self.stacks[alias]) < 2:
                with pytest.raises(RegistryError):
                    registry.rollback(self.name, alias=alias, why="x")
            else:
                self.stacks[alias].pop()
                version = registry.rollback(self.name, alias=alias, why="x")
                assert version.number == self.stacks[alias][-1]
                self.moves += 1

        @precondition(lambda self: self.versions)
        @invariant()
        def the_same(self) -> None:
            expected = {alias: pushed[-1] for alias, pushed in self.stacks.items() if pushed}
            assert registry.aliases(self.name) == expected
            moves = registry.history(self.name)
            assert len(moves) == self.moves
            for alias, pushed in self.stacks.items():
                own = [move for move in moves if move.alias == alias]
                assert stack(own) == pushed
                assert [move.replaced for move in own] == [None, *(move.number for move in own)][: len(own)]

    run_state_machine_as_test(
        Aliases,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
