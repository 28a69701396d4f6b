"""A version as one file: what comes back, and every kind of archive that must not be taken."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.models import Model, ModelError, Recipe, prepare
from tunewheel.registry import Registry, RegistryError, Version, archive
from tunewheel.registry.archive import DECLARATION, ArchiveError, pack, unpack
from tunewheel.registry.exports import find_export, record_export
from tunewheel.store import ArtifactError, Workspace
from tunewheel.tasks.classification import Classification

ROWS = [{"text": f"{('card', '卡')[i % 2]} number {i}", "label": ("lost", "found")[i % 3 > 0]} for i in range(24)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model, which loads without torch."""
    place = tmp_path_factory.mktemp("linear")
    ready = prepare(Classification(["lost", "found"]), "none", ROWS, Recipe(), method="tfidf")
    return ready.train(ROWS, [], place / "run")[0].save(place / "model")


@pytest.fixture
def version(workspace: Workspace, folder: Path) -> Version:
    given: dict[str, Any] = {"task": "classification", "method": "tfidf", "metrics": {"accuracy": 0.75}}
    return Registry(workspace).register(folder, name="工单", **given)


@pytest.fixture
def packed(workspace: Workspace, version: Version, tmp_path: Path) -> Path:
    return pack(workspace, version.ref, tmp_path / "one.zip").path


@pytest.fixture
def there(tmp_path: Path) -> Any:
    with Workspace.open(tmp_path / "there") as workspace:
        yield workspace


def test_a_version_goes_to_another_workspace_and_answers_as_before(
    packed: Path, version: Version, there: Workspace
) -> None:
    found = unpack(there, packed, alias="champion")
    assert (found.ref, found.artifact, found.aliases) == ("工单:1", version.artifact, ("champion",))
    assert (found.task, found.method, dict(found.metrics)) == ("classification", "tfidf", {"accuracy": 0.75})
    texts = [row["text"] for row in ROWS]
    assert Model.load(found.path).predict(texts) == Model.load(version.path).predict(texts)
    (move,) = Registry(there).history("工单")
    assert move.why == "unpacked from one.zip"
    run = Registry(there).lineage(found.ref)["run"]
    assert run["status"] == "done" and run["settings"]["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_the_same_version_makes_the_same_bytes_and_the_same_archive_the_same_version(
    packed: Path, workspace: Workspace, version: Version, there: Workspace, tmp_path: Path
) -> None:
    again = pack(workspace, version.ref, tmp_path / "two.zip")
    assert again.path.read_bytes() == packed.read_bytes()
    assert again.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert unpack(there, packed) == unpack(there, packed)
    assert [v.ref for v in Registry(there).versions()] == ["工单:1"]
    assert unpack(there, packed, name="tickets").ref == "tickets:1"
    assert unpack(there, packed, alias="champion").aliases == ("champion",)


@pytest.mark.parametrize("alias", ["champion", "冠军"])
def test_after_a_try_that_was_cut_off_the_alias_is_moved_all_the_same(
    packed: Path, there: Workspace, monkeypatch: pytest.MonkeyPatch, alias: str
) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(archive, "finish_run", cut)
        unpack(there, packed)
    assert Registry(there).aliases("工单") == {}
    assert unpack(there, packed, alias=alias).aliases == (alias,)
    assert unpack(there, packed, alias=alias).aliases == (alias,)
    (move,) = Registry(there).history("工单")
    assert move.why == "unpacked from one.zip"


def test_its_newest_export_goes_along(workspace: Workspace, tmp_path: Path, there: Workspace) -> None:
    pytest.importorskip("onnxruntime")
    from tunewheel.models.exporting.export import export

    rows = [{"text": row["text"], "label": row["label"]} for row in ROWS]
    recipe = Recipe(epochs=1, batch_tokens=256)
    ready = prepare(Classification(["lost", "found"]), "textcnn", rows, recipe)
    model = ready.train(rows, rows[:8], tmp_path / "run")[0]
    given: dict[str, Any] = {"name": "tickets", "task": "classification", "method": "full"}
    version = Registry(workspace).register(model.save(tmp_path / "model"), **given)
    made = export(model, dev_rows=rows, folder=tmp_path / "export", variants=["onnx-fp32"])
    record = record_export(workspace, version, made.folder, made.summary)
    found = unpack(there, pack(workspace, "tickets:1", tmp_path / "with.zip").path)
    kept = find_export(there, found)
    assert kept is not None and (kept.artifact, kept.summary) == (record.artifact, record.summary)


def test_a_damaged_version_is_not_packed_and_nothing_is_written_over(
    workspace: Workspace, version: Version, tmp_path: Path
) -> None:
    (tmp_path / "there.zip").write_text("mine")
    with pytest.raises(ArchiveError, match="there already"):
        pack(workspace, version.ref, tmp_path / "there.zip")
    file = next(version.path.glob("*.safetensors"))
    file.chmod(0o644)
    file.write_bytes(b"other")
    with pytest.raises(ArtifactError, match="is changed"):
        pack(workspace, version.ref, tmp_path / "new.zip")
    assert not (tmp_path / "new.zip").exists()
    with pytest.raises(RegistryError, match="nearest"):
        pack(workspace, "工单:7", tmp_path / "new.zip")


def test_only_the_expected_archive_is_taken(packed: Path, there: Workspace) -> None:
    told = hashlib.sha256(packed.read_bytes()).hexdigest()
    with pytest.raises(ArchiveError, match=told):
        unpack(there, packed, expected="0" * 64)
    assert unpack(there, packed, expected=told.upper()).ref == "工单:1"


Change = Callable[[dict[str, bytes]], None]


def rewritten(packed: Path, change: Change, **how: Any) -> Path:
    """The archive with other entries; what it declares is not mended."""
    with zipfile.ZipFile(packed) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(packed, "w", **how) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return packed


def declared(entries: dict[str, bytes], **changes: Any) -> None:
    value = json.loads(entries[DECLARATION])
    for key, change in changes.items():
        value[key] = change(value[key]) if callable(change) else change
    entries[DECLARATION] = json.dumps(value).encode()


def added(name: str, data: bytes = b"{}") -> Change:
    """One more file, declared with its hash as it should be."""

    def change(entries: dict[str, bytes]) -> None:
        entries[name] = data
        told = hashlib.sha256(data).hexdigest()
        declared(entries, files=lambda files: {**files, name: told})

    return change


@pytest.mark.parametrize(
    "name",
    ["../evil", "model/../../evil", "/etc/evil", "model/a/b", "model\\evil", "C:evil", "model/..", "evil"],
)
def test_no_entry_leads_out_of_its_folder(packed: Path, there: Workspace, name: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is no file of model or export"):
        unpack(there, rewritten(packed, added(name)))
    assert not list(tmp_path.rglob("*evil*")) and Registry(there).versions() == []


def test_links_are_refused(packed: Path, there: Workspace) -> None:
    rewritten(packed, added("model/link", b"/etc/passwd"))
    with zipfile.ZipFile(packed) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(packed, "w") as archive:
        for entry, data in entries:
            if entry.filename == "model/link":
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, data)
    with pytest.raises(ArchiveError, match="'model/link' is a link"):
        unpack(there, packed)


def test_a_bomb_is_refused_before_it_is_opened(packed: Path, there: Workspace) -> None:
    rewritten(packed, added("model/zeros.json", b"\0" * (64 << 20)), compression=zipfile.ZIP_DEFLATED)
    assert packed.stat().st_size < 1 << 20
    with pytest.raises(ArchiveError, match="is compressed"):
        unpack(there, packed)


def test_entries_that_overlap_cannot_hold_more_than_the_file_weighs(packed: Path, there: Workspace) -> None:
    """After Fifield (2019): many names in the directory for one stretch of the file."""
    for n in range(20):
        rewritten(packed, added(f"model/{n}.json", b"\0" * (1 << 16)))
    data = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        first = archive.getinfo("model/0.json")
        others = [archive.getinfo(f"model/{n}.json") for n in range(1, 20)]
    for other in others:  # the directory has every name point at the first one's data
        at = data.rindex(b"PK\x01\x02", 0, data.rindex(other.filename.encode()))
        data[at + 42 : at + 46] = struct.pack("<I", first.header_offset)
    # ... and what the others pointed at is taken out
    start, end = others[0].header_offset, others[-1].header_offset + others[-1].compress_size
    tail = data.rindex(b"PK\x05\x06")
    directory = struct.unpack("<I", data[tail + 16 : tail + 20])[0]
    data[tail + 16 : tail + 20] = struct.pack("<I", directory - (end - start))
    packed.write_bytes(bytes(data[:start] + data[end:]))
    with pytest.raises(ArchiveError, match="entries overlap"):
        unpack(there, packed)


def test_what_is_declared_and_what_is_there_are_the_same(packed: Path, there: Workspace) -> None:
    def change(entries: dict[str, bytes]) -> None:
        entries["model/more.json"] = b"{}"

    with pytest.raises(ArchiveError, match=r"'model/more\.json' is declared and missing, or there and not declared"):
        unpack(there, rewritten(packed, change))
    with pytest.raises(ArchiveError, match="and not declared"):
        unpack(there, rewritten(packed, lambda entries: declared(entries, files={})))


def test_two_entries_of_one_name_are_refused(packed: Path, there: Workspace) -> None:
    rewritten(packed, added("model/A.json"))
    rewritten(packed, added("model/a.json"))
    with pytest.raises(ArchiveError, match="two entries of one name"):
        unpack(there, packed)


def test_a_changed_byte_is_seen(packed: Path, there: Workspace) -> None:
    def change(entries: dict[str, bytes]) -> None:
        name = next(name for name in entries if name.endswith(".safetensors"))
        entries[name] = entries[name][:-1] + b"!"

    with pytest.raises(ArchiveError, match="was altered"):
        unpack(there, rewritten(packed, change))
    assert Registry(there).versions() == []


def test_a_file_that_no_model_has_is_refused_although_the_archive_declares_it(packed: Path, there: Workspace) -> None:
    with pytest.raises(ModelError, match=r"evil\.pkl"):
        unpack(there, rewritten(packed, added("model/evil.pkl", b"\x80\x04.")))
    assert Registry(there).versions() == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda entries: entries.pop(DECLARATION), "has no version.json"),
        (lambda entries: entries.update({DECLARATION: b"{"}), "not valid JSON"),
        (lambda entries: entries.update({DECLARATION: b"[" * 100_000}), "not valid JSON"),
        (lambda entries: entries.update({DECLARATION: b"[]"}), "schema None"),
        (lambda entries: declared(entries, schema=2), "upgrade"),
        (lambda entries: declared(entries, version={"name": 3, "metrics": {}}), "does not say what a version is"),
        (lambda entries: declared(entries, version=[]), "does not say what a version is"),
        (lambda entries: entries.update({DECLARATION: b" " * (5 << 20)}), "is too long"),
        (lambda entries: entries.update({f"model/{i}": b"" for i in range(200)}), "entries"),
    ],
)
def test_a_declaration_that_is_none_is_told(packed: Path, there: Workspace, change: Change, told: str) -> None:
    with pytest.raises(ArchiveError, match=told):
        unpack(there, rewritten(packed, change))


def test_a_name_that_no_model_may_have_is_refused(packed: Path, there: Workspace) -> None:
    bad = lambda version: {**version, "name": "../x"}  # noqa: E731
    with pytest.raises(RegistryError, match="is no name"):
        unpack(there, rewritten(packed, lambda entries: declared(entries, version=bad)))


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_archive_is_told(there: Workspace, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"bad\.zip"):
        unpack(there, path)
    with pytest.raises(ArchiveError, match="no such file"):
        unpack(there, tmp_path / "none.zip")


def test_a_truncated_archive_is_told_at_every_length(packed: Path, there: Workspace) -> None:
    whole = packed.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        packed.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ArchiveError):
            unpack(there, packed)
    assert Registry(there).versions() == []
