"""The commands on data with bad rows, and on data that was trained on before and has changed."""

import csv
import io
import json

import pytest

from test_cli import FAST, run, told
from tiny import intent_rows
from tunewheel.data import Dataset


def put(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def unnumbered(n, start=0):
    return [{k: v for k, v in row.items() if k != "id"} for row in intent_rows(n + start)[start:]]


@pytest.fixture(scope="module")
def trained(tiny_base, tmp_path_factory):
    """A folder with a classifier of the file help.jsonl, which has two bad rows, trained by the command."""
    folder = tmp_path_factory.mktemp("revisions")
    put(folder / "help.jsonl", [{"text": "", "label": "lost"}, *unnumbered(60), {"text": "没有标签"}])
    result = run(folder, *command(folder, tiny_base), "--on-error", "skip")
    assert result.exit_code == 0, result.output
    assert "2 rows were left out" in result.stderr
    return folder


def command(folder, tiny_base):
    return ["train", str(folder / "help.jsonl"), "--base", str(tiny_base), *FAST, "--epochs", "1"]


def rejected(path):
    return [json.loads(line)["row"] for line in path.read_text("utf-8").splitlines()]


def dataset_of(folder, ref):
    from tunewheel.registry import parent_of
    from tunewheel.store import Workspace

    return parent_of(Workspace.open(folder / "home"), ref).dataset


def texts(dataset):
    return {row["text"]: split for split in dataset.splits for row in dataset[split]}


def test_bad_rows_are_left_out_where_asked(trained, tiny_base, capfd, monkeypatch):
    assert rejected(trained / "home" / "reports" / "help.rejected.jsonl") == [1, 62]
    assert dataset_of(trained, "help:1").sources[0].rejected == 2
    code, error = told(capfd, monkeypatch, *command(trained, tiny_base), "--home", trained / "home")
    assert code == 2
    assert "help.jsonl:1" in error
    assert "help.jsonl:62" in error
    data = put(trained / "later.jsonl", [*unnumbered(10), {"text": "b"}])
    result = run(trained, "evaluate", str(data), "--model", "help", "--on-error", "skip", "--json")
    assert json.loads(result.stdout)["reports"][0]["rows"] == 10
    assert "1 row was left out" in result.stderr
    assert rejected(trained / "home" / "reports" / "later.rejected.jsonl") == [11]


def test_the_split_stands_in_the_model_folder(trained):
    version = json.loads(run(trained, "models", "--json").stdout)[0]
    folder = trained / "home" / version["path"]
    split = dataset_of(trained, "help:1").split
    assert json.loads((folder / "tunewheel.json").read_text("utf-8"))["split"]["fingerprint"] == split.fingerprint
    assert split.fingerprint[:16] in (folder / "README.md").read_text("utf-8")


def test_a_name_trained_again_inherits_the_splits(trained, tiny_base):
    before = texts(dataset_of(trained, "help:1"))
    put(trained / "help.jsonl", [*unnumbered(40, 50), *unnumbered(50)])
    result = run(trained, *command(trained, tiny_base), "--seed", "5", "--json")
    assert "splits inherited from the data of help:1" in result.stderr
    assert "60 rows kept their split, 30 are new, 0 are gone" in result.stderr
    made = json.loads(result.stdout)
    child = dataset_of(trained, made["version"]["ref"])
    assert texts(child).items() >= before.items()
    assert child.parent == dataset_of(trained, "help:1").fingerprint
    assert made["version"]["number"] == 2


def test_a_parent_is_named_or_declined(trained, tiny_base, capfd, monkeypatch):
    parent = dataset_of(trained, "help:1")
    for name, reference in (("other", "help:1"), ("more", parent.fingerprint[:10])):
        result = run(trained, *command(trained, tiny_base), "--name", name, "--parent", reference)
        assert "splits inherited from the data of" in result.stderr
        assert texts(dataset_of(trained, name)).items() >= texts(parent).items()
    result = run(trained, *command(trained, tiny_base), "--parent", "none", "--seed", "7")
    assert "inherited" not in result.stderr
    assert dataset_of(trained, "help").split.kind == "inherited" or result.exit_code == 0
    arguments = [*command(trained, tiny_base), "--parent", "nothing", "--home", trained / "home"]
    code, error = told(capfd, monkeypatch, *arguments)
    assert code == 2
    assert "there is no model 'nothing'" in error


def test_other_data_under_the_same_name_is_divided_anew(trained, tiny_base):
    rows = [{"text": f"另一个问题 {i}", "label": "ab"[i % 2]} for i in range(40)]
    put(trained / "help.jsonl", rows)
    result = run(trained, *command(trained, tiny_base))
    assert "no row of it stands in the data of help:" in result.stderr
    assert "stratified, seed 13" in result.stderr


def test_a_dataset_is_taken_as_it_is_unless_a_parent_is_named(trained):
    from tunewheel.loop import read_revision
    from tunewheel.store import Workspace

    workspace = Workspace.open(trained / "home")
    parent = dataset_of(trained, "help:1")
    data = Dataset.from_rows({"train": unnumbered(60)}, dev=0.1, test=0.1, seed=3)
    assert read_revision(data, workspace, "help", None, print) is data
    revised = read_revision(data, workspace, "help", "help:1", print)
    assert texts(revised) == texts(parent)


def test_predict_passes_bad_rows_on_in_their_place(trained):
    lines = ['{"text": "my card is gone", "no": 1}', "{broken", '{"no": 3}', '{"text": "余额多少", "no": 4}']
    source = trained / "stream.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    result = run(trained, "predict", "help:1", str(source), "--on-error", "skip")
    out = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("no") for row in out] == [1, None, 3, 4]
    assert ["prediction" in row for row in out] == [True, False, False, True]
    assert out[1]["raw"] == "{broken"
    assert (out[2]["error"]["row"], out[2]["error"]["column"]) == (3, "text")
    assert "2 rows could not be predicted" in result.stderr


def test_predict_puts_a_tables_bad_rows_aside(trained):
    source, target = trained / "t.csv", trained / "t-out.csv"
    source.write_text("no,text\n1,my card is gone\n2\n3,余额多少\n", encoding="utf-8")
    result = run(trained, "predict", "help:1", str(source), "-o", str(target), "--on-error", "skip")
    assert [row["no"] for row in csv.DictReader(io.StringIO(target.read_text("utf-8")))] == ["1", "3"]
    assert rejected(trained / "t-out.csv.rejected.jsonl") == [3]
    assert "t-out.csv.rejected.jsonl" in result.stderr.replace("\n", "")
