"""The piece of work behind train: what a killed try leaves is taken up or cleared away, never shown half done."""

import json

import pytest

from tiny import entity_rows, intent_rows
from tunewheel import loop
from tunewheel.models import Recipe
from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.models.methods import engine as engine_module
from tunewheel.registry import Registry
from tunewheel.store import get_run
from tunewheel.training import Training, _show

RECIPE = Recipe(epochs=2, batch_tokens=128, window=48, learning_rate=0.005)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "intents.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in intent_rows(40)), encoding="utf-8")
    return path


@pytest.fixture
def reported(workspace, tmp_path):
    """A version with a report of several files."""
    for name in ("model/config.json", "report/report.html", "report/report.json", "report/图.svg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name, encoding="utf-8")
    report, options = tmp_path / "report", {"name": "工单", "task": "ner", "method": "full"}
    return Registry(workspace).register(tmp_path / "model", report=report, **options)


SHOW = """
import os, shutil, sys
from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.registry import Registry
from tunewheel.store import get_run
from tunewheel.store import Workspace
from tunewheel.training import _show
copy, copied = shutil.copystat, []
def dying(source, target, **options):
    copied.append(source)
    os._exit(9) if len(copied) == 2 else copy(source, target, **options)
shutil.copystat = dying
workspace = Workspace(sys.argv[1], sys.argv[2] or None)
_show(workspace, Registry(workspace).resolve("工单"))
"""


def test_a_report_is_shown_whole_or_not_at_all(workspace, reported, start):
    killed = start(SHOW, workspace)
    assert killed.wait() == 9, killed.stderr.read()
    assert [path for path in workspace.reports_dir.iterdir() if not path.name.startswith(".")] == []
    shown = _show(workspace, reported)
    assert list(workspace.reports_dir.iterdir()) == [shown]
    assert {path.name for path in shown.iterdir()} == {"report.html", "report.json", "图.svg"}
    assert _show(workspace, reported) == shown


def test_a_run_taken_up_keeps_the_precision_it_began_with(sqlite_workspace, rows, tiny_base, monkeypatch):
    """It is measured at the start, and a busy machine may measure something else the second time."""
    home = sqlite_workspace.home
    arguments = {"name": "intents", "base": str(tiny_base), "recipe": RECIPE, "home": home}

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "fastest_precision", lambda: "bf16")
        patch.setattr(Training, "_evaluated", stopped)
        with pytest.raises(KeyboardInterrupt):
            loop.train(rows, **arguments)
    monkeypatch.setattr(engine_module, "fastest_precision", lambda: "fp32")
    turn = loop.train(rows, **arguments)
    assert turn.model.origin.settings["precision"] == "bf16"
    assert loop.train(rows, **arguments, again=True).model.origin.settings["precision"] == "fp32"


KEEP = """
import os, sys
from tunewheel import Workspace, loop
from tunewheel.store import Artifacts
Artifacts.put = lambda *_, **__: os._exit(9)
loop.train(sys.argv[3], base=sys.argv[4], home=sys.argv[1])
"""


@pytest.mark.slow
def test_what_a_killed_try_left_in_the_cache_goes_with_the_next(sqlite_workspace, rows, tiny_base, start):
    workspace = sqlite_workspace
    for _ in range(2):
        killed = start(KEEP, workspace, rows, tiny_base)
        assert killed.wait() == 9, killed.stderr.read()
        assert len([path for path in workspace.cache_dir.iterdir() if path.name.startswith(".")]) == 1
    loop.train(rows, base=str(tiny_base), recipe=RECIPE, home=workspace.home)
    assert [path for path in workspace.cache_dir.iterdir() if path.name.startswith(".")] == []
    assert list(workspace.runs_dir.iterdir()) == []


TRAIN = """
import os, sys
from tunewheel import loop, registry
from tunewheel.models import Recipe
register = registry.Registry.register
def dying(self, *arguments, **options):
    if sys.argv[5] == "after":
        register(self, *arguments, **options)
    os._exit(9)
registry.Registry.register = dying
recipe = Recipe(epochs=2, batch_tokens=128, window=48, learning_rate=0.005)
loop.train(sys.argv[3], base=sys.argv[4], recipe=recipe, home=sys.argv[1], database=sys.argv[2] or None)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_beside_registering_the_same_command_leaves_one_version(workspace, rows, tiny_base, start, moment):
    killed = start(TRAIN, workspace, rows, tiny_base, moment)
    assert killed.wait() == 9, killed.stderr.read()
    registry = Registry(workspace)
    assert [version.ref for version in registry.versions()] == (["intents:1"] if moment == "after" else [])
    turn = loop.train(rows, base=str(tiny_base), recipe=RECIPE, home=workspace.home, database=workspace.database)
    assert [version.ref for version in registry.versions()] == ["intents:1"] == [turn.version.ref]
    assert registry.verify("intents@champion") == turn.version
    assert (turn.trained is None) == (moment == "after")
    assert get_run(workspace, turn.version.run).status == "done"
    assert list(workspace.runs_dir.iterdir()) == []
    assert (turn.folder / "report.html").is_file()


@pytest.mark.parametrize("base", FROM_NOTHING)
def test_a_base_from_nothing_tags_with_a_crf_unless_told_otherwise(sqlite_workspace, tmp_path, base):
    path = tmp_path / "people.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in entity_rows(40)), encoding="utf-8")
    options = {"base": base, "recipe": Recipe(epochs=1), "home": sqlite_workspace.home}
    assert loop.train(path, **options).model.network.config.loss == "crf"
    assert loop.train(path, crf=False, **options).model.network.config.loss == "cross_entropy"
