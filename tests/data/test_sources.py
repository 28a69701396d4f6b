"""Rows that do not stand in a text file: Parquet, patterns, a hub's data sets and databases."""

from __future__ import annotations

import datetime
import decimal
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servers import Postgres
from tunewheel.data import DataError, Dataset
from tunewheel.data.sources import shown, stem

Write = Callable[[str, Any], Path]
WHOLE: dict[str, Any] = {"dev": 0, "test": 0}
TICKETS = [("my card is gone", "lost"), ("退款要多久", "refund"), ("card was stolen", "lost")]
QUERY = "SELECT body AS text, kind AS label, paid FROM tickets ORDER BY id"


def pairs(dataset: Dataset) -> list[tuple[str, Any]]:
    return [(row["text"], row["label"]) for row in dataset["train"]]


def parquet(path: Path, rows: list[dict[str, Any]], features: Any = None, group: int = 2) -> Path:
    """Write rows as `datasets` does, its metadata in the file."""
    import datasets

    datasets.Dataset.from_list(rows, features=features).to_parquet(path, batch_size=group)
    return path


def test_parquet(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": label, "day": datetime.date(2024, 5, 1), "sum": decimal.Decimal("2.50")}
        for text, label in TICKETS
    ]
    dataset = Dataset.read(parquet(tmp_path / "a.parquet", rows), **WHOLE)
    assert pairs(dataset) == TICKETS
    assert dataset["train"][0]["day"] == "2024-05-01"
    assert dataset["train"]["sum"][:] == [2.5] * 3
    assert [source.format for source in dataset.sources] == ["parquet"]
    assert Dataset.read(parquet(tmp_path / "nameless", rows), **WHOLE).fingerprint == dataset.fingerprint


def test_parquet_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunewheel.data.readers.parquet._BATCH", 2)
    rows = [{"text": f"t{i}", "label": "x"} for i in range(7)]
    path = parquet(tmp_path / "a.parquet", [*rows, {"text": "", "label": "x"}])
    with pytest.raises(DataError, match=r"a\.parquet:8: column 'text'"):
        Dataset.read(path)


def test_class_numbers_get_their_names(tmp_path: Path) -> None:
    from datasets import ClassLabel, Features, List, Value

    rows = [{"tokens": ["Ada", "left", "Rome"], "ner_tags": [1, 0, 2], "topic": 1}, {**TAGLESS, "topic": -1}]
    tags = List(ClassLabel(names=["O", "B-PER", "B-LOC"]))
    features = Features(
        {"tokens": List(Value("string")), "ner_tags": tags, "topic": ClassLabel(names=["sport", "travel"])}
    )
    dataset = Dataset.read(parquet(tmp_path / "a.parquet", rows, features), task="ner", **WHOLE)
    assert [e["label"] for e in dataset["train"][0]["entities"]] == ["PER", "LOC"]
    assert dataset["train"]["topic"][:] == ["travel", None]


TAGLESS = {"tokens": ["so", "what"], "ner_tags": [0, 0]}


def test_spans_in_parquet_as_lists_of_objects_and_as_objects_of_lists(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 3, "label": "PER"}, {"start": 9, "end": 13, "label": "LOC"}]
    columns = {name: [span[name] for span in spans] for name in ("start", "end", "label")}
    for name, value in (("a", spans), ("b", columns)):
        path = parquet(tmp_path / f"{name}.parquet", [{"text": "Ada left Rome", "entities": value}])
        assert Dataset.read(path, **WHOLE)["train"][0]["entities"] == spans


def test_a_file_that_is_no_parquet(write: Write) -> None:
    with pytest.raises(DataError, match="expected a Parquet file"):
        Dataset.read(write("a.parquet", b"PAR1 and nothing more"))


def test_a_pattern_names_many_files(write: Write, tmp_path: Path) -> None:
    for day in ("2024-05-02", "2024-05-01"):
        write(f"news/n_{day}.jsonl", [{"title": f"on {day}", "label": "x"}])
    write("news/other.jsonl", [{"title": "no", "label": "y"}])
    dataset = Dataset.read(tmp_path / "news" / "n_*.jsonl", **WHOLE)
    assert [text for text, _ in pairs(dataset)] == ["on 2024-05-01", "on 2024-05-02"]
    assert any("2 files one after another" in note for note in dataset.notes)
    assert Dataset.read({"train": tmp_path / "news" / "n_*.jsonl"}, **WHOLE).rows == {"train": 2}
    with pytest.raises(DataError, match="nothing there"):
        Dataset.read(tmp_path / "news" / "z_*.jsonl")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub that is a folder: ``owner/name:config`` is read by the real loader from a folder of Parquet files."""
    import datasets

    load, folder = datasets.load_dataset, tmp_path / "hub"

    def from_folder(repository: str, config: str | None = None) -> Any:
        if repository != "owner/tickets":
            raise ConnectionError(f"Couldn't reach '{repository}' on the Hub (offline)\nand more")
        return load(str(folder / (config or "default")), cache_dir=str(tmp_path / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", from_folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_hub_data_set(hub: Path) -> None:
    from datasets import ClassLabel, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["lost", "refund"])})
    for config, text in (("default", "my card is gone"), ("zh", "我的卡丢了")):
        (hub / config).mkdir(parents=True)
        for split in ("train", "validation", "test"):
            parquet(hub / config / f"{split}.parquet", [{"text": f"{text} {split}", "label": 0}], features)
    dataset = Dataset.read("owner/tickets")
    assert dataset.rows == {"train": 1, "dev": 1, "test": 1}
    assert pairs(dataset) == [("my card is gone train", "lost")]
    assert dataset.sources[1].path == "owner/tickets (validation)"
    assert pairs(Dataset.read("owner/tickets:zh")) == [("我的卡丢了 train", "lost")]


def test_a_hub_that_cannot_be_reached(hub: Path) -> None:
    with pytest.raises(DataError) as caught:
        Dataset.read("owner/nothing")
    problem = caught.value.problems[0]
    assert problem.found == "no such path, and the hub gave none (Couldn't reach 'owner/nothing' on the Hub (offline))"
    assert "copy its Parquet files here" in problem.fix


def test_what_is_there_is_never_asked_of_the_hub(hub: Path, write: Write) -> None:
    write("owner/tickets", '{"text": "here", "label": "x"}\n{"text": "there", "label": "y"}\n')
    assert len(Dataset.read("owner/tickets", **WHOLE)) == 2
    with pytest.raises(DataError, match="did you mean 'owner/tickets'"):
        Dataset.read("owner/ticket")
    with pytest.raises(DataError, match="nothing there"):
        Dataset.read("other/tickets.csv")


def fill(connection: Any, mark: str) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE tickets (id INTEGER, body TEXT, kind TEXT, paid NUMERIC)")
    cursor.executemany(
        f"INSERT INTO tickets VALUES ({mark}, {mark}, {mark}, 1.5)", [(i, *row) for i, row in enumerate(TICKETS)]
    )
    connection.commit()
    connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of three tickets."""
    if request.param == "sqlite":
        fill(sqlite3.connect(tmp_path / "shop.db"), "?")
        return f"sqlite:///{tmp_path / 'shop.db'}"
    import psycopg

    server: Postgres = request.getfixturevalue("postgres")
    made = server.create()
    fill(psycopg.connect(made.replace("+psycopg", "")), "%s")
    return made


def test_a_query(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunewheel.data.readers.sql._BATCH", 2)
    dataset = Dataset.read(f"{url}::{QUERY}", **WHOLE)
    assert pairs(dataset) == TICKETS
    assert dataset["train"]["paid"][:] == [1.5] * 3
    again = Dataset.read_sql(url, QUERY, **WHOLE)
    assert again.fingerprint == dataset.fingerprint
    assert (again.sources[0].sha256, again.sources[0].format) == (dataset.sources[0].sha256, "sql")
    other = Dataset.read_sql(url, QUERY.replace("ORDER", "WHERE id > 0 ORDER"), **WHOLE)
    assert other.sources[0].sha256 != again.sources[0].sha256


def test_colons_and_per_cent_signs_in_a_query_are_its_own(url: str) -> None:
    query = "SELECT body || ':of 12:30' AS text, CAST(kind AS text) AS label FROM tickets WHERE body LIKE '%card%'"
    cast = query.replace("CAST(kind AS text)", "kind::text") if url.startswith("postgresql") else query
    texts = [text for text, _ in pairs(Dataset.read_sql(url, cast, **WHOLE))]
    assert texts == ["my card is gone:of 12:30", "card was stolen:of 12:30"]


@pytest.mark.parametrize("statement", ["UPDATE tickets SET body = 'x' RETURNING body, kind", "DELETE FROM tickets"])
def test_a_query_cannot_write(url: str, statement: str) -> None:
    with pytest.raises(DataError, match="expected rows of a query"):
        Dataset.read_sql(url, statement)
    assert pairs(Dataset.read_sql(url, QUERY, **WHOLE)) == TICKETS


def test_nor_can_what_a_query_calls(postgres: Postgres) -> None:
    import psycopg

    made = postgres.create()
    with psycopg.connect(made.replace("+psycopg", "")) as connection:
        connection.execute("CREATE SEQUENCE numbers")
    with pytest.raises(DataError, match="read-only transaction"):
        Dataset.read_sql(made, "SELECT 'a text' AS text, nextval('numbers')::text AS label")


def test_a_query_that_fails(url: str) -> None:
    with pytest.raises(DataError, match="nowhere"):
        Dataset.read_sql(url, "SELECT text, label FROM nowhere")


def test_the_password_is_told_to_nobody(postgres: Postgres) -> None:
    server = postgres.url
    url = f"postgresql+psycopg://{server.username}:s3cret-word@{server.host}:{server.port}/{server.database}"
    query = "SELECT * FROM (VALUES ('my card is gone', 'lost'), ('how much', 'price')) AS t (text, label)"
    dataset = Dataset.read_sql(url, query, **WHOLE)
    assert dataset.rows == {"train": 2}
    told = json.dumps([*dataset.notes, *(source.path for source in dataset.sources)])
    assert "s3cret-word" not in told
    for broken in (url.replace(str(server.port), "1"), f"{url}-nothing", url.replace("postgresql+", "oracle+")):
        with pytest.raises(DataError) as caught:
            Dataset.read_sql(broken, query)
        assert "s3cret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("sqlite:///none.db::SELECT 1", "a database file"),
        ("postgresql://ann:s3cret-word@db/shop", "a path, or sqlite"),
        ("mysql://ann:s3cret-word@db/shop?password=s3cret-word::SELECT 1", "a database of sqlite or postgresql"),
        ("https://ann:s3cret-word@example.org/a.csv", "a path, or sqlite"),
    ],
)
def test_urls_that_cannot_be_used(data: str, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        Dataset.read(data)
    assert expected in caught.value.problems[0].expected
    assert "s3cret-word" not in str(caught.value)


def test_names_of_sources(tmp_path: Path) -> None:
    data = "postgresql://ann:s3cret@db:5432/shop?sslpassword=s3cret::" + QUERY
    assert shown(data) == f"postgresql://ann@db:5432/shop::{QUERY}"
    assert [stem(data), stem(f"sqlite:////srv/my shop.db::{QUERY * 9}")] == ["shop", "my-shop"]
    assert stem(tmp_path / "a.b.csv") == "a"
