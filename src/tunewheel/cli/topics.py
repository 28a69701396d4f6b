"""The command that says what texts are about: `tunewheel topics`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tunewheel.cli.options import Json, Lang, print_json, stderr, stdout


def topics(
    data: Annotated[
        str, typer.Argument(help="A file (of plain lines too), a folder, a hub id or DATABASE-URL::QUERY.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.jsonl", dir_okay=False, help="Rows with their topic as label."),
    ] = None,
    per_topic: Annotated[
        int | None, typer.Option(min=1, help="Write so many rows of each topic only, the most central ones.")
    ] = None,
    page: Annotated[Path, typer.Option(dir_okay=False, help="The page with the map.")] = Path("topics.html"),
    count: Annotated[
        int | None, typer.Option("--topics", min=1, help="How many topics; by default as many as the texts speak for.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="A base whose sentence vectors tell how alike texts are, or tfidf.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    near: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="The least similarity of texts that count as one.")
    ] = 0.8,
    sample: Annotated[
        int | None, typer.Option(min=20, help="Texts that topics are made of, at most; 20000 by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample, the topics, the resamples and the map.")] = 13,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Find what texts without labels are about, and make a first set of labels of it."""
    from tunewheel import loop
    from tunewheel.data.topics.terminal import topics_view
    from tunewheel.display import Steps, headed
    from tunewheel.loop.topics import read_texts_of

    if per_topic is not None and output is None:
        raise typer.BadParameter("--per-topic says how many rows to write: name the file with -o")
    if output is not None and output.suffix != ".jsonl":
        raise typer.BadParameter(f"{output}: rows are written as JSON Lines; name the file .jsonl")

    def say(heading: str, line: str) -> None:
        headed(stderr, heading, line)

    dataset = read_texts_of(data, say, text=text)
    settings: dict[str, Any] = {"base": base, "count": count, "near": near, "sample": sample, "seed": seed}
    with Steps(stderr) as steps:
        found = loop.topics(dataset, named=data, **settings, progress=steps, say=say)
    written = found.write_html(page, lang)
    if as_json:
        print_json(found.as_dict())
    else:
        stdout.print(topics_view(found))
        headed(stdout, "report", str(written))
    if output is None:
        return
    rows = found.write_rows(dataset, output, per_topic=per_topic)
    described = found.write_descriptions(output.with_name(f"{output.stem}.labels.yaml"))
    say("rows", f"{rows:,} written to {output}; rows of no topic are left out")
    say("labels", f"their words in {described}, for options.descriptions of --method zero-shot, prompt or few-shot")
    say("next", f"tunewheel train {output}")
