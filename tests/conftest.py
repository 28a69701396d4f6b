"""What tests share: a tiny base (the rows it can learn stand in tiny.py), workspaces on both databases, processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A tiny model gains nothing from threads, and on a busy machine they wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

import tunewheel
from servers import Postgres
from tunewheel.store import Workspace

Start = Callable[..., "subprocess.Popen[str]"]

ASSETS = Path(__file__).parent / "assets"


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    """A BERT of 2 layers, 32 wide, with the committed tokenizer: a base like any other folder."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-base")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(ASSETS / "tokenizer.json"),
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL server that `make services` started."""
    url = os.environ.get("TUNEWHEEL_TEST_POSTGRES")
    if not url:
        pytest.skip("needs PostgreSQL: run make services and export the TUNEWHEEL_TEST_POSTGRES it prints")
    with Postgres(url) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """An empty database for a workspace: None for the file of its own, or the URL of one on PostgreSQL."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres").create()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh workspace, made once: migrating takes longer than most tests."""
    home = tmp_path_factory.mktemp("template") / "home"
    Workspace.open(home).close()
    return home


@pytest.fixture
def sqlite_workspace(template: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(template, tmp_path / "home")
    with Workspace.open(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def postgres_workspace(postgres: Postgres, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "home", postgres.create(migrated=True)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def workspace(request: pytest.FixtureRequest) -> Workspace:
    """A fresh workspace, on either database."""
    return request.getfixturevalue(f"{request.param}_workspace")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python on a script; a workspace among its arguments becomes two, its home and its database."""
    running: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", script]
        for argument in arguments:
            told = (argument.home, argument.database or "") if isinstance(argument, Workspace) else (argument,)
            command += map(str, told)
        environment = os.environ | {"PYTHONPATH": str(Path(tunewheel.__file__).parents[1])}
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()
