"""What the commands show while they work: headed lines and a progress bar, on standard error."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

WIDTH = 12


def headed(console: Console, heading: str, line: str) -> None:
    """Print ``line`` beside its heading, further lines aligned under the first."""
    lead = Text(f" {heading:<{WIDTH - 1}} ", style="cyan")
    for i, part in enumerate(line.splitlines() or [""]):
        console.print(lead if i == 0 else Text(" " * (WIDTH + 1)), Text(part), sep="", soft_wrap=True)


class Bar:
    """A progress bar with loss, dev score, speed and time left; one line an evaluation where there is no terminal."""

    def __init__(self, console: Console, metric: str | None = None, *, flops: float = 0.0, peak: float = 0.0) -> None:
        """``flops`` a token and the machine's ``peak`` in GFLOP/s add the share of it that is reached."""
        self.console = console
        self.metric = metric
        self.flops, self.peak = flops, peak
        self.speed = ""
        self.progress: Progress | None = None
        self.task = TaskID(0)
        self.score = ""

    def start(self, total: int, done: int) -> None:
        """Show the bar."""
        if not self.console.is_terminal:
            return
        self.progress = Progress(
            TextColumn(" " * WIDTH),
            BarColumn(28),
            TextColumn("{task.percentage:>3.0f} %  {task.description}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self.task = self.progress.add_task("", total=total, completed=done)
        self.progress.start()

    def step(self, done: int, loss: float | None, tokens: int, seconds: float) -> None:
        """Move the bar."""
        if seconds > 0:
            share = f", {self.flops * tokens / seconds / 1e9 / self.peak:.0%} of the peak" if self.peak else ""
            self.speed = f"{tokens / seconds:,.0f} tok/s{share}"
        if self.progress:
            shown = "" if loss is None else f"loss {loss:.3f}  "
            left = f"{self.speed}  left" if self.speed else ""
            self.progress.update(self.task, completed=done, description=f"{shown}{self.score}{left}")

    def evaluated(self, epoch: float, metrics: dict[str, float]) -> None:
        """Show the newest dev score."""
        name = self.metric if self.metric in metrics else next(iter(metrics))
        self.score = f"dev {name} {metrics[name]:.3f}  "
        if self.peak:
            headed(self.console, "", f"update {epoch:,.0f}  held-out {name} {metrics[name]:.3f}  {self.speed}")
        else:
            headed(self.console, "", f"epoch {epoch:g}  dev {name} {metrics[name]:.3f}")

    def stop(self) -> None:
        """Take the bar away."""
        if self.progress:
            self.progress.stop()


SILENCE = 30.0
"""Seconds after which work says how far it is where there is no terminal."""


class Steps:
    """A progress bar for work in named steps, each with its own count of rows; where there is no terminal, a line now
    and then (`SILENCE`)."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.said = time.monotonic()
        self.progress = Progress(
            TextColumn(f" {{task.description:<{WIDTH - 1}}}", style="cyan"),
            BarColumn(28),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show how far a step is."""
        if not self.console.is_terminal and time.monotonic() - self.said > SILENCE:
            headed(self.console, step, f"{done:,.0f} of {total:,.0f} rows")
            self.said = time.monotonic()
        if step not in self.tasks:
            self.tasks[step] = self.progress.add_task(step, total=total)
        self.progress.update(self.tasks[step], completed=done, total=total)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
