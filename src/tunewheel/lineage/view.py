"""A trace as a tree in the terminal, with rich."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from tunewheel.evaluation.messages import metric_name

LONGEST = 100
"""Characters of a text that are shown."""

_STATE = {"unchanged": "green", "same": "green", "changed": "yellow", "gone": "red"}
_PART = {"learned": "learned from it", "chosen": "chose its checkpoint on it", "tested": "was tested on it"}


def trace_view(trace: Mapping[str, Any]) -> Tree:
    """The tree of whatever `tunewheel.lineage.trace` or `trace_errors` returns."""
    views = {
        "version": _version,
        "dataset": _dataset,
        "file": _file,
        "rows": _rows,
        "exchange": _exchange,
        "errors": _errors,
    }
    return views[trace["kind"]](trace)


def _version(trace: Mapping[str, Any]) -> Tree:
    version, run = trace["version"], trace["run"]
    tree = Tree(_line((version["ref"], "bold"), f"  {version['task']}, {version['method']}, {version['created'][:16]}"))
    base = tree.add(_line(("base ", "cyan"), version["base"] or "not recorded"))
    if run:
        made = tree.add(
            _line(("run ", "cyan"), f"{run['key']}  {run['command']}, {run['status']}, {run['started'][:16]}")
        )
        made.add(Text(_settings(run["settings"]), "dim"))
    else:
        base.add(Text("no run is recorded", "dim"))
    if trace["dataset"]:
        data = tree.add(_line(("learned from ", "cyan"), *_named(trace["dataset"])))
        _facts(data, trace["dataset"], trace["parents"])
        _listed(data, "siblings, learned from the same rows", trace["siblings"])
    if trace["report"]:
        tree.add(_line(("report ", "cyan"), _figures(trace["report"])))
    aliases = tree.add(_line(("aliases ", "cyan"), ", ".join(version["aliases"]) or "none"))
    for move in trace["history"]:
        before = f", instead of {move['name']}:{move['replaced']}" if move["replaced"] else ""
        told = f"{move['at'][:16]} {move['action']} {move['alias']} → {move['name']}:{move['number']}{before}"
        aliases.add(_line(told, (f"  {move['why']} ({move['by']})", "dim")))
    return tree


def _dataset(trace: Mapping[str, Any]) -> Tree:
    tree = Tree(_line(*_named(trace["dataset"])))
    _facts(tree, trace["dataset"], trace["parents"])
    for child in trace["children"]:
        tree.add(_line(("made from it ", "cyan"), *_named(child)))
    _listed(tree, "versions that learned from it", trace["versions"])
    return tree


def _file(trace: Mapping[str, Any]) -> Tree:
    tree = Tree(_line((trace["path"], "bold"), "" if trace["exists"] else "  no such file today"))
    for found in trace["datasets"]:
        source = found["source"]
        node = tree.add(_line(("read into ", "cyan"), *_named(found["dataset"])))
        told = {"changed": "the file has changed since", "gone": "the file is gone"}
        said = told.get(source["now"], source["now"])
        node.add(_line((f"{said}  ", _STATE.get(source["now"], "yellow")), _source(source)))
        _listed(node, "versions that learned from it", found["versions"])
    return tree


def _rows(trace: Mapping[str, Any]) -> Tree:
    tree = Tree(_line((trace["of"], "bold"), f"  stands in {trace['total']:,} places" if trace["total"] > 1 else ""))
    _standing(tree, trace)
    asked = trace["exchanges"]
    for identifier in asked["ids"]:
        tree.add(_line(("exchange ", "cyan"), identifier))
    if (more := asked["total"] - len(asked["ids"])) > 0:
        tree.add(Text(f"… and {more:,} more exchanges", "dim"))
    return tree


def _exchange(trace: Mapping[str, Any]) -> Tree:
    exchange = trace["exchange"]
    by = trace["version"] or f"{exchange['name']}, not registered"
    tree = Tree(_line((exchange["id"], "bold"), f"  {exchange['at'][:16]}, {exchange['role']}"))
    tree.add(Text(_told(exchange["row"])))
    tree.add(_line(("answer ", "cyan"), _told(exchange["prediction"]), f"  {by}, {exchange['variant']}"))
    for one in trace["feedback"]:
        state = one["status"] + (f": {one['reason']}" if one["reason"] else "")
        turn = f", learned from in turn {one['turn']}" if one["turn"] else ""
        told = f"{one['kind']} {_told(one['value'])}  by {one['source']}, {one['at'][:16]}"
        tree.add(_line(("said ", "cyan"), told, (f"  {state}{turn}", "dim")))
    _standing(tree, trace)
    return tree


def _told(document: Mapping[str, Any]) -> str:
    """A document in one line, cut where it is long."""
    told = document["text"] if set(document) == {"text"} else json.dumps(document, ensure_ascii=False)
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"


def _standing(tree: Tree, trace: Mapping[str, Any]) -> None:
    """Rows with where they stand, and who learned from them."""
    for row in trace["rows"]:
        where = f"{row['split']} of {row['dataset']['fingerprint'][:12]} ({row['dataset']['name']})"
        node = tree.add(_line((f"{row['id']} ", "bold"), where))
        node.add(_row(row))
        if row["file"]:
            node.add(_line(("from ", "cyan"), row["file"]))
        for version in row["versions"]:
            parts = " and ".join(_PART.get(part, "did not use it") for part in version["part"].split(" and "))
            node.add(_line((version["ref"], "bold"), _aliases(version), f"  {parts}"))
    if more := trace["total"] - len(trace["rows"]):
        tree.add(Text(f"… and {more:,} more", "dim"))


def _errors(trace: Mapping[str, Any]) -> Tree:
    tree = Tree(_line((trace["version"], "bold"), "" if trace["errors"] else "  its report holds no error"))
    for error in trace["errors"]:
        sure = "" if error["confidence"] is None else f"  {error['confidence']:.2f}"
        mark = {True: ("wrong", "red"), False: ("right", "green"), None: ("", "")}[error["wrong"]]
        node = tree.add(_line((f"{error['id']} ", "bold"), f"{error['split']}  ", mark))
        node.add(_row(error))
        node.add(_line(("answer ", "cyan"), _labels(error["text"], error["predicted"]), sure))
        near = node.add(_line(("nearest training rows", "cyan"), "" if trace["by"] != "TF-IDF" else ", by words alone"))
        for row in error["nearest"]:
            twin = f"  {row['duplicate']} duplicate" if row["duplicate"] else ""
            odd = "  labelled otherwise" if row["agrees"] is False else ""
            suspect = "red" if odd and twin else "yellow"
            told = near.add(_line(f"{row['similarity']:.3f} ", (f"{row['id']} ", "bold"), twin, (odd, suspect)))
            told.add(_row(row))
            if row["file"]:
                told.add(Text(row["file"], "dim"))
    return tree


def _facts(node: Tree, dataset: Mapping[str, Any], parents: Sequence[Mapping[str, Any]]) -> None:
    """A dataset's splits, files and parents."""
    if not dataset["recorded"]:
        node.add(Text("this workspace never saw its rows", "yellow"))
        return
    splits = dataset["summary"].get("splits", {})
    node.add(" · ".join(f"{split} {rows:,}" for split, rows in splits.items()) or Text("no counts", "dim"))
    if erased := dataset["summary"].get("erased"):
        left = f"; what is left is {erased['revision'][:12]}" if erased["revision"] else ""
        told = f"rows erased {erased['at'][:16]} by {erased['by']}: {erased['why']}{left}"
        node.add(Text(told, "yellow"))
    for source in dataset["summary"].get("sources", ()):
        state = (f"{source['state']}  ", _STATE.get(source["state"], "dim"))
        node.add(_line(("file ", "cyan"), state, _source(source)))
    for parent in parents:
        node.add(_line(("parent ", "cyan"), *_named(parent)))


def _listed(node: Tree, heading: str, versions: Sequence[Mapping[str, Any]]) -> None:
    if not versions:
        return
    listed = node.add(Text(heading, "cyan"))
    for version in versions:
        score = next(iter(version["metrics"].items()), None)
        told = f"  {metric_name(score[0])} {score[1]:.3f}" if score else ""
        listed.add(_line((version["ref"], "bold"), _aliases(version), told))


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts)


def _named(dataset: Mapping[str, Any]) -> tuple[tuple[str, str], str]:
    return (dataset["fingerprint"][:12], "bold"), f"  {dataset.get('name', 'not recorded here')}"


def _source(source: Mapping[str, Any]) -> str:
    split = f", {source['split']}" if source["split"] else ""
    return f"{source['path']}  {source['rows']:,} rows, {source['format']}{split}, sha256 {source['sha256'][:12]}"


def _aliases(version: Mapping[str, Any]) -> tuple[str, str]:
    return f" → {', '.join(version['aliases'])}" if version["aliases"] else "", "green"


def _figures(report: Mapping[str, Any]) -> str:
    figures = [
        f"{metric_name(name)} {m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}]"
        for name, m in report["metrics"].items()
    ]
    return f"{'   '.join(figures)}   {report['mistakes']:,} of {report['rows']:,} {report['split'] or ''} rows wrong"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)


def _row(row: Mapping[str, Any]) -> Text:
    text = " ".join(row["text"].split())
    shown = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return _line(shown, ("  ", ""), (_labels(row["text"], row["gold"]), "magenta"))


def _labels(text: str, labels: Any) -> str:
    """Labels for people: a label, several, or entities by their surface."""
    if not isinstance(labels, list):
        return str(labels)
    told = [f"{e['label']}: {text[e['start'] : e['end']]}" if isinstance(e, dict) else str(e) for e in labels]
    return ", ".join(told) or "none"
