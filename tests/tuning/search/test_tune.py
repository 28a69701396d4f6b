"""A search on a tiny base: dev alone is looked at, the defaults come first, and what is found trains."""

import importlib.util
import json
import random
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from searches import FEW, RECIPE, SPACE, noisy, seen
from test_matching import rows as pairs
from tiny import entity_rows, intent_rows
from tunewheel import Dataset, loop
from tunewheel.cli import app
from tunewheel.evaluation.comparison import Comparison, Difference
from tunewheel.loop import LoopError
from tunewheel.models import MethodError, Recipe
from tunewheel.models.methods import Refusal
from tunewheel.models.methods.head import HeadOnly
from tunewheel.settings import train_settings
from tunewheel.tuning.search import objective, study, work
from tunewheel.tuning.search.messages import verdict_line
from tunewheel.tuning.search.page import render_page
from tunewheel.tuning.search.plan import Plan
from tunewheel.tuning.search.roads import survey
from tunewheel.tuning.search.space import SpaceError, read_space
from writers import ROWS, tiny_llama


@pytest.fixture(scope="module")
def intents():
    rows = noisy(intent_rows(60))
    return Dataset.from_rows({"train": rows[:36], "dev": rows[36:]})


class Sealed(Dataset):
    """A dataset whose test rows raise when they are looked at."""

    def __getitem__(self, split):
        assert split != "test", "test rows were read"
        return super().__getitem__(split)

    def batches(self, split):
        assert split != "test", "test rows were read"
        return super().batches(split)


@pytest.fixture(scope="module")
def tuned(tiny_base, tmp_path_factory):
    """A search of a file, once for all that look at it."""
    folder = tmp_path_factory.mktemp("tuned")
    path = folder / "intents.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in noisy(intent_rows(80))), "utf-8")
    space = {**SPACE, "weight_decay": 0.02}
    return loop.tune(path, base=str(tiny_base), dev=0.3, home=folder / "home", **{**FEW, "trials": 6, "search": space})


@pytest.mark.slow
def test_the_defaults_come_first_and_the_best_is_not_worse_under_the_same_seeds(tuned, tiny_base):
    first = tuned.trials[0]
    assert first.defaults and [trial.defaults for trial in tuned.trials[1:]] == [False] * 5
    assert first.values["learning_rate"] == 3e-4 and Recipe().weight_decay != 0.02
    assert {trial.values["weight_decay"] for trial in tuned.trials} == {0.02}, "what is pinned holds for the defaults"
    assert tuned.best.mean >= tuned.defaults.mean
    assert list(tuned.best.scores) == list(tuned.defaults.scores) == [RECIPE.seed + 1]


@pytest.mark.slow
def test_the_file_trains_by_the_recipe_that_was_found(tuned):
    resolved = train_settings({}, file=tuned.file)
    values = tuned.chosen.trial.values
    assert (resolved.base, resolved.method) == (values["base"], values["method"])
    assert resolved.recipe == tuned.arguments()["recipe"]
    assert all(getattr(resolved.recipe, key) == values[key] for key in SPACE)
    turn = loop.train(**resolved.arguments(), home=tuned.file.parents[1])
    assert {key: turn.model.origin.settings[key] for key in SPACE} == {key: values[key] for key in SPACE}
    assert turn.model.origin.dev["accuracy"] == pytest.approx(tuned.chosen.trial.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "error", "verdict", "stay", "said"),
    [
        (0.02, 0.03, "undecided", True, ("no more than a standard error", "不超过一个标准误")),
        (0.05, 0.03, "undecided", False, ("so it is taken", "故予采用")),
        (0.09, 0.03, "better", False, ("Measurably better", "可测地优于")),
        (-0.09, 0.03, "worse", True, ("The defaults stay", "保留默认设置")),
    ],
)
def test_what_is_not_a_standard_error_ahead_leaves_the_defaults(tuned, value, error, verdict, stay, said):
    low, high = value - 1.96 * error, value + 1.96 * error
    found = Difference(0.5, 0.5 + value, value, low, high, 0.2 if verdict == "undecided" else 0.001)
    assert found.standard_error == pytest.approx(error, rel=1e-3)
    other = next(one for one in tuned.finalists if not one.trial.defaults)
    rivals = [replace(other, scores={1: 1.0}), replace(tuned.defaults, scores={1: 0.5})]
    report = SimpleNamespace()
    comparison = Comparison(report, report, {tuned.metric: found}, 1000, 13)
    told = replace(tuned, finalists=rivals, comparison=comparison)
    assert told.verdict == verdict and told.best is rivals[0]
    assert told.chosen is rivals[1 if stay else 0]
    assert told.arguments()["recipe"].learning_rate == told.chosen.trial.values["learning_rate"]
    assert told.as_dict()["chosen"]["number"] == told.chosen.trial.number
    for lang, words in zip(("en", "zh"), said, strict=True):
        assert words in verdict_line(told, lang)


@pytest.mark.slow
def test_the_file_holds_what_was_chosen(tiny_base, intents, tmp_path, monkeypatch):
    arguments = {"base": str(tiny_base), "home": tmp_path, **FEW}
    first = loop.tune(intents, **arguments)
    assert first.best is not first.defaults, "nothing to choose between"
    for error, wanted in ((1.0, first.defaults), (-1.0, first.best)):
        monkeypatch.setattr(Difference, "standard_error", error)
        again = loop.tune(intents, **arguments)
        written = yaml.safe_load(again.file.read_text(encoding="utf-8"))
        assert {key: written[key] for key in SPACE} == {key: wanted.trial.values[key] for key in SPACE}


@pytest.mark.slow
@pytest.mark.parametrize(("lang", "words"), [("en", "Search of settings"), ("zh", "参数搜索")])
def test_the_page_stands_alone_in_both_languages(tuned, lang, words):
    page = render_page(tuned, lang)
    assert words in page and "src=" not in page.split("<script>")[0]
    charts = json.loads(page.split('id="charts">')[1].split("</script>")[0])
    assert {"history", "parallel", "slice-0"} <= {chart["id"] for chart in charts}
    assert all(f'id="{chart["id"]}"' in page for chart in charts)
    assert tuned.page.is_file()


@pytest.mark.slow
def test_what_is_told_to_programs_is_json(tuned):
    told = json.loads(json.dumps(tuned.as_dict(), ensure_ascii=False))
    assert told["verdict"] in ("better", "undecided", "worse", "defaults")
    assert told["settings"] == yaml.safe_load(tuned.file.read_text(encoding="utf-8"))
    assert len(told["trials"]) == 6 and "answers" not in json.dumps(told)


@pytest.mark.slow
def test_the_same_search_again_does_nothing_and_a_larger_one_goes_on(tuned, tiny_base, intents, tmp_path, monkeypatch):
    arguments = {"base": str(tiny_base), "home": tmp_path, **FEW}
    done, train = [], work.trained

    def counted(*rest, **named):
        done.append(named.get("seed"))
        return train(*rest, **named)

    monkeypatch.setattr(work, "trained", counted)
    first = loop.tune(intents, **arguments)
    finals = len(first.finalists) if len(first.finalists) > 1 else 0
    assert len(done) == 4 + finals
    assert seen(loop.tune(intents, **arguments)) == seen(first) and len(done) == 4 + finals
    further = loop.tune(intents, **{**arguments, "trials": 5})
    assert seen(further)[:4] == seen(first) and len(further.trials) == 5
    assert done.count(None) == 5


@pytest.mark.slow
def test_one_worker_finds_the_same_again(tiny_base, intents, tmp_path):
    once, again = (loop.tune(intents, base=str(tiny_base), home=tmp_path / name, **FEW) for name in "ab")
    assert seen(once) == seen(again)
    assert once.settings == again.settings and once.best.scores == again.best.scores


@pytest.mark.slow
def test_test_rows_are_never_looked_at(tiny_base, tmp_path):
    rows = noisy(intent_rows(60))
    data = Sealed.from_rows({"train": rows[:36], "dev": rows[36:50], "test": rows[50:]})
    with pytest.raises(AssertionError, match="test rows were read"):
        data["test"]
    tuned = loop.tune(data, base=str(tiny_base), home=tmp_path, **{**FEW, "trials": 2})
    assert len(tuned.trials) == 2 and tuned.rows == 14


def test_data_without_dev_rows_is_refused(tiny_base, tmp_path):
    data = Dataset.from_rows({"train": intent_rows(20)})
    with pytest.raises(LoopError, match=r"no dev split.*--set dev=0.1"):
        loop.tune(data, base=str(tiny_base), home=tmp_path)


def test_a_method_that_is_of_no_use_for_the_task_is_refused_before_any_trial(tiny_base, intents, tmp_path, monkeypatch):
    monkeypatch.setattr(HeadOnly, "refuses", classmethod(lambda cls, task: Refusal("it says nothing", "full")))
    with pytest.raises(MethodError, match="it says nothing"):
        loop.tune(intents, base=str(tiny_base), method=["full", "head"], home=tmp_path)
    assert not list(tmp_path.glob("study.db"))


def test_an_option_that_no_method_has_and_a_head_fitted_first_for_tokens_are_refused(tiny_base, intents, tmp_path):
    with pytest.raises(SpaceError, match=r"options\.r: no such option; no method here has options"):
        loop.tune(intents, base=str(tiny_base), home=tmp_path, search={"options.r": [4, 8]})
    people = Dataset.from_rows({"train": entity_rows(16), "dev": entity_rows(8)})
    with pytest.raises(SpaceError, match="head_first: for a head that labels whole texts, which full has not here"):
        loop.tune(people, base=str(tiny_base), home=tmp_path, search={"head_first": [True, False]})


def test_what_a_method_does_not_go_by_is_not_searched_and_a_search_of_it_is_refused(tiny_base, intents, tmp_path):
    with pytest.raises(SpaceError, match="epochs: tfidf go by nothing of that"):
        loop.tune(intents, method="tfidf", home=tmp_path, search={"epochs": "2..8"})
    with pytest.raises(MethodError, match="'tfidf' has no use for epochs"):
        loop.tune(intents, method="tfidf", home=tmp_path, recipe=Recipe(epochs=3))
    plan = Plan("tune-0", replace(RECIPE, epochs=None))
    (road,) = survey(plan, intents, [str(tiny_base)], ["setfit"], {}, lambda *told: None)
    assert {"learning_rate", "epochs"} <= road.dimensions.keys() and "head_first" not in road.dimensions


@pytest.mark.slow
def test_settings_of_one_method_do_not_go_with_another(tiny_base, intents, tmp_path):
    few = {"trials": 2, "repeats": 1, "recipe": RECIPE}
    tuned = loop.tune(intents, base=str(tiny_base), method=["tfidf", "full"], home=tmp_path, **few)
    for one in tuned.finalists:
        told = replace(tuned, finalists=[replace(one, scores={1: 1.0})], comparison=None)
        recipe, plain = asdict(told.arguments()["recipe"]), asdict(Recipe())
        changed = {key for key, value in recipe.items() if value != plain[key]}
        assert bool(changed - {"seed"}) == (one.trial.values["method"] == "full")


def test_where_there_is_nothing_to_choose_the_defaults_alone_are_measured(intents, tmp_path):
    told = []
    tuned = loop.tune(
        intents, method="tfidf", home=tmp_path, trials=5, repeats=1, say=lambda heading, line: told.append(line)
    )
    assert len(tuned.trials) == 1 and tuned.verdict == "defaults"
    assert any("nothing to choose between" in line for line in told)


def test_a_setting_of_one_value_stands_for_the_defaults_too(tiny_base, intents, tmp_path):
    (road,) = survey(Plan("tune-0", RECIPE), intents, [str(tiny_base)], ["full"], read_space({"warmup": 0}), print)
    assert road.defaults["warmup"] == 0 != Recipe().warmup
    only = {"options.decay": 0.5}
    tuned = loop.tune(intents, base=str(tiny_base), method="head", home=tmp_path, repeats=1, search=only)
    assert [trial.values["options.decay"] for trial in tuned.trials] == [0.5]
    assert tuned.arguments()["options"] == {"decay": 0.5}


@pytest.mark.slow
def test_the_rank_of_an_adapter_is_searched(tiny_base, intents, tmp_path):
    few = {"trials": 3, "repeats": 1, "recipe": RECIPE, "base": str(tiny_base), "method": "lora", "home": tmp_path}
    tuned = loop.tune(intents, **few, search={"options.lora_alpha": [8, 16]})
    assert tuned.trials[0].values["options.r"] == 8
    assert all(trial.values["options.r"] in (4, 8, 16, 32) for trial in tuned.trials)
    assert {trial.values["options.lora_alpha"] for trial in tuned.trials} <= {8, 16}
    assert tuned.arguments()["options"].keys() == {"r", "lora_alpha"}
    with pytest.raises(SpaceError, match=r"options\.rank: no such option; the options here are .*options\.r\b"):
        loop.tune(intents, **few, search={"options.rank": [4, 8]})


@pytest.mark.slow
def test_pairs_are_decided_by_the_metric_that_they_are_searched_by(tiny_base, tmp_path):
    draw = random.Random(1)
    path, columns = tmp_path / "pairs.jsonl", {"task": "matching", "text": "query,answer", "label": "ok", "dev": 0.4}
    rows = [{**row, "ok": draw.choice("是否")} for row in pairs(60)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    few = {
        **FEW,
        "trials": 6,
        "base": str(tiny_base),
        "method": "bi-encoder",
        "recipe": replace(RECIPE, learning_rate=1e-6),
    }
    tuned = loop.tune(path, home=tmp_path / "home", **columns, **few)
    assert tuned.metric == "average_precision" and "head_first" not in tuned.trials[1].values
    assert tuned.best is not tuned.defaults, "nothing to choose between"
    assert tuned.difference.after == pytest.approx(tuned.best.mean)
    assert tuned.difference.before == pytest.approx(tuned.defaults.mean)


def test_a_score_of_another_kind_ends_no_trial():
    def hopeless(value, part):
        raise AssertionError("asked")

    watch = objective.Watch("gold_probability", hopeless, None)
    watch.start(10, 5)
    watch.evaluated(1, {"preference": 0.5})
    with pytest.raises(AssertionError, match="asked"):
        watch.evaluated(1, {"gold_probability": 0.5})


@pytest.mark.slow
def test_a_best_that_fails_under_fresh_seeds_is_left_out_until_it_does_not(tiny_base, intents, tmp_path, monkeypatch):
    arguments = {"base": str(tiny_base), "home": tmp_path, **FEW}
    train, failing = work.trained, []

    def out_of_memory(plan, dataset, values, folder, **named):
        if named.get("seed") is not None and values["learning_rate"] != 3e-4 and values in (failing or [values]):
            failing[:] = [values]
            raise MemoryError("too large")
        return train(plan, dataset, values, folder, **named)

    with monkeypatch.context() as patch:
        patch.setattr(work, "trained", out_of_memory)
        first = loop.tune(intents, **arguments)
    assert all(one.scores for one in first.finalists) and failing[0] not in [o.trial.values for o in first.finalists]
    again = loop.tune(intents, **arguments)
    assert len(again.finalists) == len(first.finalists) + 1 and all(one.scores for one in again.finalists)


@pytest.mark.slow
def test_several_methods_are_searched_each_with_rates_of_its_own(tiny_base, intents, tmp_path):
    search = {"epochs": 1, "batch_tokens": 256}
    given = {"trials": 5, "repeats": 1, "recipe": replace(RECIPE, epochs=None, batch_tokens=None), "search": search}
    tuned = loop.tune(intents, base=str(tiny_base), method=["full", "head"], home=tmp_path, **given)
    assert [trial.values["method"] for trial in tuned.trials[:2]] == ["full", "head"]
    assert tuned.trials[1].values["learning_rate"] == 1e-2 and not tuned.trials[1].defaults
    for trial in tuned.trials:
        low, high = (3e-4 / 8, 3e-4 * 8) if trial.values["method"] == "full" else (1e-2 / 8, 1e-2 * 8)
        assert low <= trial.values["learning_rate"] <= high
        assert ("layer_decay" in trial.values) == (trial.values["method"] == "full")


@pytest.mark.slow
def test_a_trial_that_fails_is_written_down_and_the_search_goes_on(tiny_base, intents, tmp_path, monkeypatch):
    train = work.trained

    def failing(plan, dataset, values, folder, **named):
        if folder.name == "2" and named.get("seed") is None:
            raise MemoryError("too large")
        return train(plan, dataset, values, folder, **named)

    monkeypatch.setattr(work, "trained", failing)
    tuned = loop.tune(intents, base=str(tiny_base), home=tmp_path, **FEW)
    assert [trial.state for trial in tuned.trials] == ["complete", "complete", "failed", "complete"]
    assert tuned.trials[2].reason == "MemoryError: too large"


@pytest.mark.slow
def test_defaults_that_fail_end_the_search_and_are_tried_again(tiny_base, intents, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(work, "trained", lambda *rest, **named: 1 / 0)
        with pytest.raises(work.TuningError, match=r"the defaults failed.*ZeroDivisionError"):
            loop.tune(intents, base=str(tiny_base), home=tmp_path, **FEW)
    tuned = loop.tune(intents, base=str(tiny_base), home=tmp_path, **{**FEW, "trials": 3})
    assert [trial.state for trial in tuned.trials] == ["failed", "complete", "complete"]
    assert tuned.defaults.trial.number == 1


@pytest.mark.slow
def test_trials_behind_the_others_are_ended_and_leave_nothing(tiny_base, intents, tmp_path, monkeypatch):
    reported = []

    def behind(plan, item, value, part):
        reported.append((item.trial.number, part))
        item.trial.report(value, part)
        return item.trial.number == 2

    monkeypatch.setattr(work, "_hopeless", behind)
    space = {**SPACE, "epochs": 2}
    tuned = loop.tune(intents, base=str(tiny_base), home=tmp_path, **{**FEW, "search": space})
    assert [trial.state for trial in tuned.trials] == ["complete", "complete", "pruned", "complete"]
    assert reported.count((2, objective.STEPS // 2)) == 1
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]


def test_the_median_ends_a_trial_but_never_the_defaults(sqlite_workspace):
    """Without training: trials that report what they are told."""
    plan = work.Plan("tune-median", RECIPE)
    with work.Studies.opened(sqlite_workspace, plan) as studies:
        studies.search.queue(lambda trials: [({}, {"road": 0})])
        ended = []
        for value in (0.9, 0.8, 0.85, 0.95, 0.1):
            with studies.search.taken(lambda trial: {}, lambda trials: True) as item:
                ended.append(work._hopeless(plan, item, value, 4))
                studies.search.done(item, value, {})
        assert ended == [False, False, False, False, True]
        studies.search.queue(lambda trials: [({}, {"road": 0})])
        with studies.search.taken(lambda trial: {}, lambda trials: True) as item:
            assert not work._hopeless(plan, item, 0.0, 4)


def test_minutes_are_those_of_all_trials_and_the_finals_are_counted_in(sqlite_workspace, monkeypatch):
    monkeypatch.setattr(work, "seconds", lambda trial: 60.0)
    plan = work.Plan("tune-minutes", RECIPE, minutes=12, repeats=1)
    with work.Studies.opened(sqlite_workspace, plan) as studies:
        tried = 0
        while True:
            with studies.search.taken(lambda trial: {}, lambda trials: work._within(plan, trials)) as item:
                if item is None:
                    break
                studies.search.done(item, 0.5, {})
                tried += 1
    assert tried == 12 - 4  # three finalists and the defaults under one seed


def test_a_trial_that_takes_its_worker_with_it_is_given_up_in_the_end(workspace):
    plan = work.Plan("tune-deadly", RECIPE)
    with work.Studies.opened(workspace, plan) as studies:
        search = studies.search
        for death in range(study.DEATHS):
            with search.taken(lambda trial: {"x": trial.suggest_float("x", 0, 1)}, lambda trials: not trials) as item:
                assert item.folder.name == "0", death
        with search.taken(lambda trial: {}, lambda trials: False) as item:
            assert item is None
        (left,) = search.trials()
        assert left.state.name == "FAIL" and "again and again" in work.reason(left) and not search.busy()


@pytest.mark.slow
def test_the_command_says_whether_the_defaults_are_beaten_and_what_to_do_next(tiny_base, tmp_path):
    path = tmp_path / "intents.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in noisy(intent_rows(40))), "utf-8")
    command = ["tune", str(path), "--base", str(tiny_base), "--home", str(tmp_path / "home"), "--trials", "2"]
    command += ["--repeats", "1", "--search", "epochs=1", "--set", "window=48", "--set", "batch_tokens=256"]
    command += ["--set", "dev=0.3", "-o", str(tmp_path / "best.yaml"), "--lang", "zh"]
    said = CliRunner().invoke(app, command, catch_exceptions=False)
    assert said.exit_code == 0 and "defaults" in said.stdout
    assert f"tunewheel train --settings {tmp_path / 'best.yaml'}" in " ".join(said.stdout.split())
    told = json.loads(CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False).stdout.splitlines()[-1])
    assert told["settings"]["window"] == 48 and len(told["trials"]) == 2
    assert "参数搜索" in (tmp_path / "home" / "reports" / "intents-tuning.html").read_text(encoding="utf-8")


def test_a_missing_package_is_answered_with_the_command_that_installs_it(intents, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else found(name, *rest)
    )
    with pytest.raises(LoopError, match=r"pip install 'tunewheel\[tune\]'"):
        loop.tune(intents, home=tmp_path)


def found_settings(path, base, *more):
    command = ["tune", str(path), "--home", str(path.parent / "home"), "--trials", "1", "--set", "dev=0.3", *more]
    said = CliRunner().invoke(app, [*command, *(["--base", str(base)] if base else []), "--json"])
    assert said.exit_code == 0, said.exception or said.output
    return json.loads(said.stdout.splitlines()[-1])["settings"]


def test_what_starts_from_no_base_gives_settings_that_train(tmp_path):
    path = tmp_path / "intents.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in intent_rows(60)), "utf-8")
    settings = found_settings(path, None, "--method", "tfidf", "--set", "slices=[channel]")
    assert settings["method"] == "tfidf" and "base" not in settings and settings["slices"] == ["channel"]
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({**settings, "slices": None}), "utf-8")
    said = CliRunner().invoke(app, ["train", "--settings", str(tmp_path / "s.yaml"), "--home", str(tmp_path / "h")])
    assert said.exit_code == 0, said.exception or said.output


@pytest.mark.slow
def test_texts_without_labels_and_written_answers_are_searched_too(tiny_base, tmp_path):
    path, more, answers = (tmp_path / name for name in ("intents.jsonl", "more.csv", "answers.jsonl"))
    path.write_text("".join(json.dumps(row) + "\n" for row in intent_rows(60)), "utf-8")
    more.write_text("text\n" + "".join(f"where is card {n}\n余额 {n}\n" for n in range(10)), "utf-8")
    few = ["--set", "epochs=1", "--set", "window=48"]
    settings = found_settings(path, tiny_base, "--method", "self-training", "--unlabelled", str(more), *few)
    assert settings["unlabelled"] == str(more)
    answers.write_text(
        "".join(
            json.dumps({**row, "id": f"{n}{row['id']}", "text": f"{row['text']} {n}"}) + "\n"
            for n in range(5)
            for row in ROWS
        ),
        "utf-8",
    )
    settings = found_settings(
        answers, tiny_llama(tmp_path / "llama"), "--task", "generation", "--set", "max_new_tokens=8", *few[:2]
    )
    assert settings["max_new_tokens"] == 8
