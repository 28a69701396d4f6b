"""`tunewheel distill`: a small student of a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tunewheel.cli.learn import show_turn, turn_dict
from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.training import Turn


def distill(
    model: Annotated[str, typer.Argument(help="The teacher: a folder, name, name:3 or name@champion.")],
    text: Annotated[
        str | None, typer.Argument(help="Unlabelled text to learn from too: a file, a folder or a hub id.")
    ] = None,
    student: Annotated[
        Literal["pieces", "bilstm", "textcnn", "thin"] | None,
        typer.Option(
            help="pieces, by default: a BiLSTM that reads what the teacher reads; thin: some of its own layers."
        ),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Another base in place of --student: a folder or a hub id.")] = None,
    name: Annotated[str | None, typer.Option(help="The student's name; TEACHER-STUDENT by default.")] = None,
    column: Annotated[str | None, typer.Option(help="The column of TEXT that holds the text.")] = None,
    layers: Annotated[int | None, typer.Option(help="How many layers a thin student keeps; half by default.")] = None,
    temperature: Annotated[float, typer.Option(help="Softens the teacher's probabilities.")] = 2.0,
    share: Annotated[
        float, typer.Option(help="The teacher's share of the loss where there are labels too; 1: the teacher alone.")
    ] = 0.5,
    epochs: Annotated[int | None, typer.Option(help="Passes over all text; 30 or more from nothing.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, batches and dropout.")] = None,
    settings: Annotated[Path | None, typer.Option(help="A YAML file of the recipe's settings.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting of the recipe; may be repeated."),
    ] = None,
    again: Annotated[bool, typer.Option(help="Distil anew although the same work is done.")] = False,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Distil a model into a small student: it learns from the model's answers, and is compared with it."""
    from tunewheel import loop
    from tunewheel.display import Bar, headed
    from tunewheel.settings import recipe

    turn = loop.distill(
        model,
        text,
        student=student,
        base=base,
        name=name,
        column=column,
        layers=layers,
        temperature=temperature,
        share=share,
        recipe=recipe({"epochs": epochs, "seed": seed}, file=settings, changes=changes or ()),
        home=home,
        database=database,
        again=again,
        lang=lang,
        progress=Bar(stderr),
        say=lambda heading, line: headed(stderr, heading, line),
    )
    if as_json:
        print_json(turn_dict(turn))
        return
    show_turn(turn)
    for place, line in enumerate(_facts(turn)):
        headed(stdout, "" if place else "student", line)


def _facts(turn: Turn) -> list[str]:
    """What the report states of student and teacher, in the language it was written in."""
    from tunewheel.evaluation.messages import TEXT

    facts = turn.report.facts if turn.report else {}
    names = [name for key in ("teacher", "of teacher", "rate", "latency", "size") for name in TEXT[key]]
    return [f"{name}: {facts[name]}" for name in names if name in facts]
