from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewheel.store import ArtifactError, Artifacts
from tunewheel.store import artifacts as module


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leftovers(artifacts: Artifacts) -> list[Path]:
    return [path for path in artifacts.root.rglob("*") if ".tmp-" in path.name]


def test_put_keeps_a_copy_under_its_hash(artifacts: Artifacts, model: Path) -> None:
    key = artifacts.put(model)
    assert len(key) == 64
    assert artifacts.path(key) == artifacts.root / key[:2] / key
    assert key in artifacts
    assert content(artifacts.path(key)) == content(model)
    assert artifacts.verify(key) == artifacts.path(key)
    assert leftovers(artifacts) == []


def test_the_manifest_is_what_sha256sum_reads(artifacts: Artifacts, model: Path) -> None:
    if not shutil.which("sha256sum"):
        pytest.skip("sha256sum is not installed")
    key = artifacts.put(model)
    command = ["sha256sum", "--check", "--strict", f"../{key}.sha256"]
    assert subprocess.run(command, cwd=artifacts.path(key), check=True, capture_output=True)


def test_the_hash_is_of_names_and_content_only(artifacts: Artifacts, model: Path, tmp_path: Path) -> None:
    key = artifacts.put(model)
    twin = tmp_path / "twin"
    shutil.copytree(model, twin)
    (twin / "config.json").touch()
    (twin / "config.json").chmod(0o700)
    (twin / "empty").mkdir()
    assert artifacts.put(twin) == key
    (twin / "config.json").rename(twin / "settings.json")
    assert artifacts.put(twin) != key


def test_putting_again_copies_nothing(artifacts: Artifacts, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = artifacts.put(model)
    monkeypatch.setattr(module, "_copy_file", None)
    assert artifacts.put(model) == key


def test_putting_again_replaces_a_damaged_copy(artifacts: Artifacts, model: Path) -> None:
    key = artifacts.put(model)
    damaged = artifacts.path(key) / "config.json"
    damaged.chmod(0o644)
    damaged.write_text("{}")
    assert artifacts.put(model) == key
    artifacts.verify(key)
    assert leftovers(artifacts) == []


def test_one_file_is_kept_as_a_folder_of_it(artifacts: Artifacts, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("<p>")
    key = artifacts.put(report)
    assert content(artifacts.verify(key)) == {"report.html": b"<p>"}
    assert artifacts.put(report, move=True) == key
    assert not report.exists()


def test_kept_files_cannot_be_written_by_mistake(artifacts: Artifacts, model: Path) -> None:
    files = [path for path in artifacts.path(artifacts.put(model)).rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o222 == 0 for path in files)


@pytest.mark.parametrize("known", [False, True])
def test_move_leaves_no_source(artifacts: Artifacts, model: Path, known: bool) -> None:
    before = content(model)
    if known:
        artifacts.put(model)
    key = artifacts.put(model, move=True)
    assert not model.exists()
    assert content(artifacts.verify(key)) == before


def test_moving_an_artifact_onto_itself_keeps_it(artifacts: Artifacts, model: Path) -> None:
    key = artifacts.put(model)
    assert artifacts.put(artifacts.path(key), move=True) == key
    artifacts.verify(key)


def test_move_copies_between_disks(artifacts: Artifacts, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def other_disk(source: Path, target: Path) -> Any:
        if source == model:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", other_disk)
    key = artifacts.put(model, move=True)
    artifacts.verify(key)
    assert not model.exists()


@pytest.mark.parametrize("place", [".", "tokenizer", "tokenizer/link"])
def test_links_are_refused(artifacts: Artifacts, model: Path, tmp_path: Path, place: str) -> None:
    link = tmp_path / "link" if place == "." else model / place
    if place == "tokenizer":
        shutil.move(link, tmp_path / "elsewhere")
        link.symlink_to(tmp_path / "elsewhere")
    else:
        link.symlink_to(model if place == "." else model / "config.json")
    with pytest.raises(ArtifactError, match=r"(link|tokenizer) is a symbolic link"):
        artifacts.put(link if place == "." else model)
    assert not list(artifacts.root.glob("*/*"))


def test_nothing_missing_and_special_files_are_refused(artifacts: Artifacts, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ArtifactError, match="empty holds no file"):
        artifacts.put(empty)
    with pytest.raises(ArtifactError, match="nowhere does not exist"):
        artifacts.put(tmp_path / "nowhere")
    os.mkfifo(empty / "pipe")
    with pytest.raises(ArtifactError, match="pipe is not a file"):
        artifacts.put(empty)
    (empty / "pipe").unlink()
    (empty / "a\nb").touch()
    with pytest.raises(ArtifactError, match="line break"):
        artifacts.put(empty)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), "config.json is changed"),
        (lambda folder: (folder / "tokenizer/词表.txt").unlink(), "词表.txt is missing"),
        (lambda folder: (folder / "extra").touch(), "extra is not part of it"),
        (lambda folder: (folder / "extra").symlink_to("config.json"), "extra is a symbolic link"),
        (shutil.rmtree, "is missing from"),
    ],
)
def test_verify_names_the_damage(artifacts: Artifacts, model: Path, damage: Any, message: str) -> None:
    key = artifacts.put(model)
    for path in artifacts.path(key).rglob("*"):
        path.chmod(0o755)
    damage(artifacts.path(key))
    with pytest.raises(ArtifactError, match=message) as caught:
        artifacts.verify(key)
    assert key in str(caught.value)


def test_verify_without_its_manifest(artifacts: Artifacts, model: Path) -> None:
    key = artifacts.put(model)
    manifest = artifacts.path(key).with_name(f"{key}.sha256")
    manifest.unlink()
    artifacts.verify(key)
    manifest.write_text("x")
    artifacts.verify(key)
    (artifacts.path(key) / "extra").touch()
    with pytest.raises(ArtifactError, match="manifest"):
        artifacts.verify(key)


def test_a_source_that_changes_meanwhile_is_refused(
    artifacts: Artifacts, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_file = module._copy_file

    def change(source: Path, target: Path) -> str:
        source.write_text("changed")
        return copy_file(source, target)

    monkeypatch.setattr(module, "_copy_file", change)
    with pytest.raises(ArtifactError, match="changed while it was stored"):
        artifacts.put(model)
    assert leftovers(artifacts) == []
    monkeypatch.undo()
    artifacts.verify(artifacts.put(model))


def test_everything_is_on_the_disk_before_it_is_visible(
    artifacts: Artifacts, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync, publish = os.fsync, module._publish

    def record(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def published(folder: Path, target: Path) -> None:
        expected = {str(folder), *map(str, folder.rglob("*"))}
        assert expected <= set(synced)
        publish(folder, target)
        assert synced[-2:] == [str(target.parent), str(artifacts.root)]

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(module, "_publish", published)
    artifacts.put(model)


@pytest.mark.parametrize("step", ["_copy_file", "_sync_folder", "_publish"])
def test_killed_at_any_step_it_leaves_no_artifact_and_can_be_repeated(
    artifacts: Artifacts, model: Path, start: Any, step: str
) -> None:
    killed = start(
        "import os, sys; from tunewheel.store import artifacts\n"
        f"artifacts.{step} = lambda *arguments: os._exit(9)\n"
        "artifacts.Artifacts(sys.argv[1]).put(sys.argv[2])",
        artifacts.root,
        model,
    )
    assert killed.wait() == 9
    assert [path for path in artifacts.root.glob("??/*") if path.is_dir()] == []
    assert leftovers(artifacts)
    artifacts.verify(artifacts.put(model))
    assert leftovers(artifacts) == []


def test_many_threads_keep_the_same_folder(artifacts: Artifacts, model: Path) -> None:
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(artifacts.put(model))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    artifacts.verify(keys[0])
    assert leftovers(artifacts) == []


NAMES = st.text("ab中", min_size=1, max_size=3)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.dictionaries(NAMES, st.binary(max_size=3), min_size=1, max_size=3),
    second=st.dictionaries(NAMES, st.binary(max_size=3), min_size=1, max_size=3),
)
def test_equal_hashes_mean_equal_content(
    first: dict[str, bytes], second: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("hash")
    hashes = []
    for number, files in enumerate((first, second)):
        for name, data in files.items():
            path = place / str(number) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        hashes.append(module._manifest(module._hash_files(place / str(number))))
    assert (hashes[0] == hashes[1]) == (first == second)
