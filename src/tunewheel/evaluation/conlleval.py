"""Entity scores in the words of the conlleval script (CoNLL-2000 and 2003 shared tasks; Tjong Kim Sang)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tunewheel.evaluation.intervals import EvaluationError

if TYPE_CHECKING:
    from tunewheel.evaluation.report import Report


_COUNTED = frozenset({"gold", "found", "correct", "tokens", "tokens_correct"})


def counts_entities(report: Report) -> bool:
    """Whether a report has what the script counts, so that `conlleval_text` can print it."""
    return report.scores.keys() >= _COUNTED


def conlleval_text(report: Report) -> str:
    """Render a report on entities as the script prints it, to the digit.

    Types nobody has marked, in gold or in the predictions, are left out, as the script never hears of them.

    Raises:
        EvaluationError: the report is not on entities.
    """
    if not counts_entities(report):
        raise EvaluationError(f"the conlleval layout is for entities, this report is on {report.task.name}")
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    sums = {key: report.scores[key].sum(axis=0) for key in ("gold", "found", "correct")}
    gold, found, correct = (int(sums[key].sum()) for key in ("gold", "found", "correct"))
    tokens, right = int(report.scores["tokens"].sum()), int(report.scores["tokens_correct"].sum())
    yield f"processed {tokens} tokens with {gold} phrases; found: {found} phrases; correct: {correct}."
    if tokens:
        yield f"accuracy: {100 * right / tokens:6.2f}%; " + _figures(correct, found, gold)
    names = [str(line["label"]) for line in report.table]
    for place in sorted(range(len(names)), key=names.__getitem__):
        gold, found, correct = (int(sums[key][place]) for key in ("gold", "found", "correct"))
        if gold or found:
            yield f"{names[place]:>17}: {_figures(correct, found, gold)}  {found}"


def _figures(correct: int, found: int, gold: int) -> str:
    precision = 100 * correct / found if found else 0.0
    recall = 100 * correct / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return f"precision: {precision:6.2f}%; recall: {recall:6.2f}%; FB1: {f1:6.2f}"
