"""Lines that make careless patterns take minutes: a megabyte of each is read in under a second."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest

from tunewheel.data.privacy import Masker, find

PIECES = [
    *("1", "0", "１", "@", "a.", " ", "/", "省市区", "一", "-", ":", "(", "[", "+", "x", "_", "\n"),
    *("1 ", "1.", "0-", "00-", "1234 ", "12345678 ", "+1 ", "a@", "a@a.", "a@b.c,", "://", "a://b:", "a:", "::", "aF"),
    *("路1号", "市1路", "1号", "北京市1号", "京A", "1 A ", "1 St ", "GB12 ", "GB12ABCD1234561234567 "),
    *("密码=", "password ", "token:", "sk-", "eyJ", "eyJaaaaaaaa.", "tel ", "www.", "-----BEGIN "),
    *(r"password=\"", r"token:\\\'", r"\"password\": \"", "密码：「", "口令='a ", "a.-@b.cn"),
    *('password="', "token: 'a\\", "密码：“", "a\u0301@", "@例子.", "authorization: basic "),
    *("-----BEGIN PRIVATE KEY-----", "[PHONE]", "1 office ", "passport ", "order ", "138 "),
]


@pytest.fixture
def heap_apart() -> Iterator[None]:
    """What other tests left on the heap is not collected again and again at this one's cost."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.usefixtures("heap_apart")
@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece.encode()))
    start = time.process_time()
    find(text)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("piece", ["ssn 123456789", "+8613812345678-", "fax12345678 ", "12 Main Street."])
def test_a_chain_in_which_each_find_bares_the_next_is_found_to_its_end(piece: str) -> None:
    text = piece * 600
    start = time.process_time()
    masked = Masker().mask(text)
    assert time.process_time() - start < 5
    assert len(masked.found) == 600
    assert find(masked.text) == []


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        start = time.process_time()
        find(text)
        return time.process_time() - start

    find("warm 1号")
    # Ten times the text may take ten times as long, and half a clock's tick; squared it would be a hundred.
    assert min(seconds(60_000) for _ in range(2)) < 30 * min(seconds(6_000) for _ in range(3)) + 0.02
