"""Tiny bases that write."""

import pytest

from writers import tiny_gpt2, tiny_llama, tiny_t5


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory):
    return tiny_gpt2(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="session")
def t5(tmp_path_factory):
    return tiny_t5(tmp_path_factory.mktemp("t5"))
