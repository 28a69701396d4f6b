"""The Containerfile, read as it is written; where no container can be built, its parts are tried alone."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from unruly import Unruly, refused, serving

ROOT = Path(__file__).parents[1]
FILE = ROOT / "deploy" / "Containerfile"
SERVED = "/health/ready"

Step = tuple[str, str]


def stages() -> list[list[Step]]:
    """The instructions of each stage, comments gone and lines joined."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found: list[list[Step]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            if name == "FROM":
                found.append([])
            found[-1].append((name, rest.strip()))
    return found


def of(stage: list[Step], name: str) -> list[str]:
    return [rest for found, rest in stage if found == name]


def health() -> list[str]:
    (check,) = of(stages()[-1], "HEALTHCHECK")
    command: list[str] = json.loads(check.partition("CMD ")[2])
    return command


def test_it_runs_as_nobody_and_by_number_so_that_an_orchestrator_can_tell():
    last = stages()[-1]
    (user,) = of(last, "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    made = [name for name, _ in last]
    assert made.index("USER") > max(at for at, name in enumerate(made) if name in ("RUN", "COPY"))


def test_only_what_is_needed_is_copied_and_it_is_there():
    build, last = stages()
    given = [source for rest in of(build, "COPY") for source in rest.split()[:-1]]
    assert sorted(given) == ["LICENSE", "README.md", "constraints.txt", "pyproject.toml", "src"]
    assert all((ROOT / source).exists() for source in given)
    assert of(last, "COPY") == ["--from=build /opt/tunewheel /opt/tunewheel"]
    assert not [step for stage in stages() for step in stage if step[0] == "ADD"]


def test_no_secret_stands_in_it():
    for stage in stages():
        for name, rest in stage:
            if name in ("ENV", "ARG", "LABEL"):
                assert not re.search(r"(?i)key|token(?!izers)|secret|password|passwd|://[^/ ]*@|DATABASE", rest), rest


def test_versions_are_pinned_and_torch_is_the_processors():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = (ROOT / "constraints.txt").read_text()
    for stage in stages():
        (base,) = of(stage, "FROM")
        version = re.match(r"python:(3\.\d+)-slim-\w+\b", base)
        assert version and SpecifierSet(declared["requires-python"]).contains(f"{version[1]}.9")
        assert f"python{version[1]}/" in FILE.read_text()
    installs = [part for rest in of(stages()[0], "RUN") for part in rest.split("&&") if "pip install" in part]
    assert len(installs) == 2 and all("-c constraints.txt" in part for part in installs)
    assert "--no-deps" in installs[0] and "TORCH_INDEX" in installs[0] and shlex.split(installs[0])[-1] == "torch"
    assert re.search(r"^torch==", pinned, re.MULTILINE)
    (extras,) = re.findall(r"\.\[([\w,]+)\]", installs[1])
    assert set(extras.split(",")) <= set(declared["optional-dependencies"])


def test_everything_that_is_installed_is_pinned():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    wanted = [Requirement(told) for told in declared["dependencies"]]
    wanted += [
        Requirement(told) for extra in ("serve", "postgres") for told in declared["optional-dependencies"][extra]
    ]
    known: set[tuple[str, str]] = set()
    for requirement in wanted:  # it grows as what is wanted wants more
        name = canonicalize_name(requirement.name)
        for extra in requirement.extras or {""}:
            if (name, extra) not in known:
                known.add((name, extra))
                told = [Requirement(line) for line in metadata.requires(name) or ()]
                wanted += [one for one in told if not one.marker or one.marker.evaluate({"extra": extra})]
    # A virtual environment is made with a setuptools of its own.
    assert len(known) > 50 and {name for name, _ in known} - {"setuptools"} <= pinned


def test_what_can_be_written_to_is_the_workspace_and_tmp():
    last = stages()[-1]
    environment = dict(pair.split("=", 1) for rest in of(last, "ENV") for pair in rest.split())
    (home,) = of(last, "WORKDIR")
    assert environment["TUNEWHEEL_HOME"] == home and json.loads(of(last, "VOLUME")[0]) == [home]
    assert environment["HOME"] == "/tmp" and environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert any(f"-o 10001 -g 10001 -m 0750 {home}" in rest for rest in of(last, "RUN"))


def test_commands_are_told_without_a_shell_so_that_signals_arrive():
    last = stages()[-1]
    assert json.loads(of(last, "ENTRYPOINT")[0]) == ["tunewheel"] and json.loads(of(last, "CMD")[0]) == ["--help"]
    assert of(last, "STOPSIGNAL") == ["SIGTERM"]
    assert not {"curl", "wget", "sh", "bash"} & set(health())


@pytest.mark.parametrize(("ways", "status"), [([], 0), ([refused(503, "not_ready")], 1)], ids=["ready", "loading"])
def test_the_health_check_tells_whether_models_answer(ways, status):
    unruly = Unruly(list(ways))
    command = health()
    assert command[0] == "python"
    with serving(unruly) as url:
        told = [part.replace("http://127.0.0.1:8000", url) for part in command[1:]]
        assert told != command[1:]
        done = subprocess.run([sys.executable, *told], capture_output=True, check=False)
    assert done.returncode == status and [asked.path for asked in unruly.asked] == [SERVED]


def test_a_dead_service_is_not_healthy():
    command = [part.replace(":8000", ":9") for part in health()[1:]]
    assert subprocess.run([sys.executable, *command], capture_output=True, check=False).returncode == 1


def test_both_languages_show_the_same_commands():
    english, chinese = (
        (ROOT / "deploy" / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    blocks = [re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for text in (english, chinese)]
    assert blocks[0] == blocks[1] and "--read-only" in blocks[0][0]
