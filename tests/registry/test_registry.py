from __future__ import annotations

import getpass
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunewheel.registry import Registry, RegistryError
from tunewheel.store import ArtifactError, Workspace, finish_run, get_run, list_datasets, record_dataset, start_run


def test_a_version_keeps_all_it_was_given(
    registry: Registry, workspace: Workspace, model: Path, tmp_path: Path
) -> None:
    record_dataset(workspace, "d", name="tickets.jsonl")
    start_run(workspace, "k", command="train", settings={"lr": 1}, dataset="d")
    report = tmp_path / "report.html"
    report.write_text("<p>")
    version = registry.register(
        model,
        name="工单",
        dataset="d",
        run="k",
        task="ner",
        method="lora",
        base="minilm",
        metrics={"f1": np.float64(0.5), "low": float("nan")},
        report=report,
        alias="champion",
        why="first version",
        by="li",
    )
    assert (version.name, version.number, version.ref, str(version)) == ("工单", 1, "工单:1", "工单:1")
    assert (version.task, version.method, version.base) == ("ner", "lora", "minilm")
    assert (version.dataset, version.run, version.aliases) == ("d", "k", ("champion",))
    assert version.metrics == {"f1": 0.5, "low": None}
    assert (version.path / "config.json").read_text() == "{}"
    assert version.report is not None
    assert (version.report / "report.html").read_text() == "<p>"
    assert 0 <= (datetime.now(UTC) - version.created).total_seconds() < 60
    assert registry.resolve("工单:1") == version
    assert hash(version) == hash(registry.resolve("工单"))
    assert registry.verify("工单@champion") == version
    assert get_run(workspace, "k").version == "工单:1"  # type: ignore[union-attr]
    [move] = registry.history("工单")
    assert (move.alias, move.action, move.number, move.replaced) == ("champion", "promote", 1, None)
    assert (move.why, move.by) == ("first version", "li")


def test_numbers_count_up_by_name(registry: Registry, add: Any) -> None:
    assert [add().ref, add().ref, add("news").ref, add().ref] == [
        "tickets:1",
        "tickets:2",
        "news:1",
        "tickets:3",
    ]
    assert [version.ref for version in registry.versions()] == [
        "news:1",
        "tickets:1",
        "tickets:2",
        "tickets:3",
    ]
    assert [version.ref for version in registry.versions("news")] == ["news:1"]


def test_resolve_finds_the_champion_else_the_latest(registry: Registry, add: Any) -> None:
    for _ in range(12):
        add()
    assert registry.resolve("tickets").number == 12
    registry.promote("tickets:2", why="better")
    assert registry.resolve("tickets").number == 2
    assert registry.resolve("tickets@champion").aliases == ("champion",)
    assert registry.resolve("tickets:9").number == 9
    assert registry.resolve("tickets：9").number == 9


def test_unknown_references_are_answered_with_the_nearest(registry: Registry, add: Any) -> None:
    with pytest.raises(RegistryError, match="there is no model 'tickets'; there are no models yet"):
        registry.resolve("tickets")
    for _ in range(5):
        add()
    add("news")
    with pytest.raises(RegistryError, match=r"no model 'tikets'; did you mean tickets\?"):
        registry.resolve("tikets:1")
    for ask in (registry.versions, registry.aliases, registry.history, registry.lineage):
        with pytest.raises(RegistryError, match="no model 'xyz'; models: news, tickets"):
            ask("xyz")
    with pytest.raises(RegistryError, match="no tickets:9; the nearest: tickets:3, tickets:4, tickets:5"):
        registry.resolve("tickets:9")
    with pytest.raises(RegistryError, match="tickets has no alias 'champion'; there are no aliases yet"):
        registry.resolve("tickets@champion")
    registry.promote("tickets:1", why="x")
    with pytest.raises(RegistryError, match=r"tickets has no alias 'champoin'; did you mean champion\?"):
        registry.resolve("tickets@champoin")


def test_bad_requests_leave_nothing(registry: Registry, workspace: Workspace, add: Any) -> None:
    for options, message in [
        ({"name": "a b"}, "' ' cannot stand in it"),
        ({"alias": "a b"}, "is no alias"),
        ({"alias": "champion", "why": " "}, "say why"),
        ({"dataset": "d"}, "dataset d is not recorded: call tunewheel.store.record_dataset"),
        ({"run": "k"}, "run k is not recorded: call tunewheel.store.start_run"),
    ]:
        with pytest.raises(RegistryError, match=message):
            add(**options)
    with pytest.raises(ArtifactError, match="holds no file"):
        registry.register(workspace.runs_dir, name="a", task="ner", method="full")
    assert registry.versions() == []


def test_a_run_registers_once(registry: Registry, workspace: Workspace, model: Path) -> None:
    start_run(workspace, "k", command="train", settings={})

    def register(name: str = "tickets") -> Any:
        return registry.register(model, name=name, task="ner", method="full", run="k", alias="champion")

    first = register()
    assert register() == first
    assert len(registry.history("tickets")) == 1
    with pytest.raises(RegistryError, match="run k registered tickets:1 already: another model is another run"):
        register("news")
    (model / "config.json").write_text("other")
    with pytest.raises(RegistryError, match="run k registered tickets:1 already"):
        register()
    assert [version.ref for version in registry.versions()] == ["tickets:1"]


def test_promoting_records_what_it_replaced(registry: Registry, add: Any) -> None:
    add(alias="champion"), add()
    promotion = registry.promote("tickets:2", why="+2 F1", by="王")
    assert (promotion.version.ref, promotion.replaced, promotion.moved) == ("tickets:2", 1, True)
    assert promotion.version.aliases == ("champion",)
    assert str(promotion) == "tickets:2 is champion now, instead of tickets:1"
    first, second = registry.history("tickets")
    assert (first.number, first.replaced, first.why) == (1, None, "registered")
    assert (second.number, second.replaced, second.why, second.by) == (2, 1, "+2 F1", "王")
    assert first.at < second.at
    assert second.at.tzinfo is UTC


def test_promoting_the_champion_again_does_nothing_and_says_so(registry: Registry, add: Any) -> None:
    add(alias="champion")
    for reference in ("tickets", "tickets:1", "tickets@champion"):
        promotion = registry.promote(reference, why="again")
        assert not promotion.moved
        assert str(promotion) == "tickets:1 already is champion"
    assert len(registry.history("tickets")) == 1


def test_aliases_are_apart(registry: Registry, add: Any) -> None:
    add(), add()
    assert str(registry.promote("tickets:1", why="x")) == "tickets:1 is champion now"
    registry.promote("tickets:2", alias="challenger", why="try it")
    registry.promote("tickets:2", alias="影子", why="try it")
    assert registry.aliases("tickets") == {"challenger": 2, "champion": 1, "影子": 2}
    assert [version.aliases for version in registry.versions()] == [("champion",), ("challenger", "影子")]
    assert [move.number for move in registry.history("tickets", "challenger")] == [2]
    registry.promote("tickets@challenger", why="it won")
    registry.rollback("tickets", why="it lost")
    assert registry.aliases("tickets") == {"challenger": 2, "champion": 1, "影子": 2}


def test_every_move_has_a_reason_and_a_person(registry: Registry, add: Any, monkeypatch: Any) -> None:
    add(), add()
    with pytest.raises(RegistryError, match="say why"):
        registry.promote("tickets:1", why="")
    registry.promote("tickets:1", why="x")
    assert registry.history("tickets")[-1].by == getpass.getuser()

    def nobody() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(getpass, "getuser", nobody)
    registry.promote("tickets:2", why="x")
    assert registry.history("tickets")[-1].by.startswith("uid ")
    with pytest.raises(RegistryError, match="say why"):
        registry.rollback("tickets", why=" ")


def test_rolling_back_goes_further_each_time(registry: Registry, add: Any) -> None:
    for _ in range(4):
        add()
    for number in (1, 2, 3):
        registry.promote(f"tickets:{number}", why="better")
    assert registry.rollback("tickets", why="worse").ref == "tickets:2"
    registry.promote("tickets:4", why="better")
    assert registry.rollback("tickets", why="worse").ref == "tickets:2"
    back = registry.rollback("tickets", why="worse still", by="li")
    assert (back.ref, back.aliases) == ("tickets:1", ("champion",))
    with pytest.raises(RegistryError, match="tickets:1 is the first champion: there is no version before it"):
        registry.rollback("tickets", why="worse")
    last = registry.history("tickets")[-1]
    assert (last.action, last.number, last.replaced, last.why, last.by) == (
        "rollback",
        1,
        2,
        "worse still",
        "li",
    )
    assert len(registry.history("tickets")) == 7


def test_nothing_to_roll_back(registry: Registry, add: Any) -> None:
    with pytest.raises(RegistryError, match="there is no model 'tickets'"):
        registry.rollback("tickets", why="x")
    add()
    with pytest.raises(RegistryError, match="tickets has no champion: there is nothing to roll back"):
        registry.rollback("tickets", why="x")


def test_lost_files_are_named_and_nothing_moves_to_them(registry: Registry, add: Any) -> None:
    lost, kept = add(alias="champion"), add(alias="champion")
    shutil.rmtree(lost.path)
    for ask in (registry.resolve, registry.verify, lambda ref: registry.promote(ref, why="x")):
        with pytest.raises(RegistryError, match=r"tickets:1 is registered, but its files are gone from .*train again"):
            ask("tickets:1")
    with pytest.raises(RegistryError, match="files are gone"):
        registry.rollback("tickets", why="x")
    assert registry.resolve("tickets").number == kept.number
    assert len(registry.history("tickets")) == 2
    assert [version.number for version in registry.versions()] == [1, 2]
    assert registry.lineage("tickets:1")["version"]["number"] == 1


@pytest.mark.parametrize("part", ["path", "report"])
def test_verify_names_a_damaged_file(registry: Registry, add: Any, tmp_path: Path, part: str) -> None:
    report = tmp_path / "report.html"
    report.write_text("<p>")
    version = add(report=report)
    [file] = getattr(version, part).iterdir()
    file.chmod(0o644)
    file.write_text("damaged")
    assert registry.resolve("tickets") == version
    with pytest.raises(ArtifactError, match=f"{file.name} is changed"):
        registry.verify("tickets")


def test_lineage_goes_back_to_the_first_data(registry: Registry, workspace: Workspace, add: Any) -> None:
    record_dataset(workspace, "raw", name="tickets.jsonl", parent="outside")
    record_dataset(workspace, "clean", name="clean", parent="raw", summary={"rows": 7})
    start_run(workspace, "k", command="train", settings={"lr": 1}, dataset="clean")
    add(dataset="clean", run="k", metrics={"f1": 0.5})
    finish_run(workspace, "k")
    lineage = registry.lineage("tickets")
    assert json.loads(json.dumps(lineage)) == lineage
    assert lineage["version"]["ref"] == "tickets:1"
    assert lineage["version"]["metrics"] == {"f1": 0.5}
    assert (lineage["run"]["settings"], lineage["run"]["status"]) == ({"lr": 1}, "done")
    assert (lineage["dataset"]["name"], lineage["dataset"]["summary"]) == ("clean", {"rows": 7})
    assert [parent["fingerprint"] for parent in lineage["parents"]] == ["raw", "outside"]
    assert [parent["recorded"] for parent in lineage["parents"]] == [True, False]
    add("bare")
    bare = registry.lineage("bare")
    assert (bare["run"], bare["dataset"], bare["parents"]) == (None, None, [])


def test_lineage_survives_a_dataset_that_is_its_own_ancestor(
    registry: Registry, workspace: Workspace, add: Any
) -> None:
    record_dataset(workspace, "a", name="a", parent="b")
    record_dataset(workspace, "b", name="b", parent="a")
    add(dataset="a")
    assert [parent["fingerprint"] for parent in registry.lineage("tickets")["parents"]] == ["b"]


def test_lineage_goes_forward_to_revisions_siblings_and_aliases(
    registry: Registry, workspace: Workspace, add: Any
) -> None:
    record_dataset(workspace, "raw", name="tickets.jsonl")
    record_dataset(workspace, "clean", name="clean", parent="raw")
    add(dataset="clean", alias="champion", why="the first")
    add(dataset="clean", metrics={"f1": 0.5})
    add("other", dataset="raw")
    registry.promote("tickets:2", why="better")
    found = registry.lineage("tickets:1")
    assert [(other["ref"], other["aliases"]) for other in found["siblings"]] == [("tickets:2", ["champion"])]
    assert [(move["number"], move["replaced"], move["why"]) for move in found["history"]] == [
        (1, None, "the first"),
        (2, 1, "better"),
    ]
    raw = registry.dataset_lineage("raw")
    assert json.loads(json.dumps(raw)) == raw
    assert [child["fingerprint"] for child in raw["children"]] == ["clean"]
    assert [version["ref"] for version in raw["versions"]] == ["other:1"]
    assert registry.dataset_lineage("never")["dataset"] == {"fingerprint": "never", "recorded": False}
    assert [record.fingerprint for record in list_datasets(workspace)] == ["raw", "clean"]
