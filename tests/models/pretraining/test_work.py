import shutil

import pytest
import torch
from safetensors.torch import load_file

from tunewheel import loop
from tunewheel.models.pretraining.work import held, updates


def test_a_run_is_taken_up_only_with_its_own_settings(tmp_path, corpus, recipe, cut):
    cut(2, corpus, tmp_path / "b", recipe=recipe(), dedupe=False)
    with pytest.raises(loop.LoopError, match="width 32, now 64"):
        loop.pretrain(corpus, tmp_path / "b", recipe=recipe(width=64), dedupe=False)


@pytest.mark.parametrize("change", ["keep_out", "dedupe", "text"])
def test_a_run_is_not_taken_up_where_its_text_would_be_another(tmp_path, corpus, recipe, cut, change):
    cut(2, corpus, tmp_path / "b", recipe=recipe(), dedupe=False)
    given = {"keep_out": {"keep_out": [corpus], "dedupe": False}, "dedupe": {"dedupe": True}, "text": {"dedupe": False}}
    if change == "text":
        corpus.write_text(corpus.read_text(encoding="utf-8") + "\n还有一句。", encoding="utf-8")
    told = {"keep_out": r"keep_out \[\], now", "dedupe": "dedupe False, now True", "text": "bytes"}
    with pytest.raises(loop.LoopError, match=told[change]):
        loop.pretrain(corpus, tmp_path / "b", recipe=recipe(), **given[change])


def test_settings_that_did_not_fit_stand_in_no_way_of_better_ones(tmp_path, corpus, recipe):
    for wrong in ({"vocabulary": 4000}, {"batch_tokens": 1 << 22}):
        with pytest.raises(loop.LoopError):
            loop.pretrain(corpus, tmp_path / "b", recipe=recipe(**wrong), dedupe=False)
        assert not (tmp_path / "b.partial").exists()
    assert loop.pretrain(corpus, tmp_path / "b", recipe=recipe(), dedupe=False).run.updates == 12


def test_more_tokens_take_a_run_further_and_fewer_are_refused(tmp_path, corpus, recipe):
    said = []
    loop.pretrain(corpus, tmp_path / "b", recipe=recipe(), dedupe=False, say=lambda *line: said.append(line))
    assert str(tmp_path / "b.partial") in dict(said)["kept"]
    first = load_file(tmp_path / "b" / "model.safetensors")
    shutil.rmtree(tmp_path / "b")
    for tokens in (256 * 5, 256 * 11):
        with pytest.raises(loop.LoopError, match="has learned from 2,816 already"):
            loop.pretrain(corpus, tmp_path / "b", recipe=recipe(tokens=tokens), dedupe=False)
    further = loop.pretrain(corpus, tmp_path / "b", recipe=recipe(tokens=256 * 20), dedupe=False)
    assert (further.run.resumed_from, further.run.updates) == (11, 20)
    second = load_file(tmp_path / "b" / "model.safetensors")
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_two_processes_do_not_write_one_run(tmp_path, corpus, recipe):
    with held(tmp_path / "b.partial"), pytest.raises(loop.LoopError, match="another process is at this run"):
        loop.pretrain(corpus, tmp_path / "b", recipe=recipe(), dedupe=False)
    assert updates(tmp_path / "b.partial") == 0


def test_the_console_is_left_to_the_caller(tmp_path, corpus, recipe, capfd):
    made = recipe(tokens=256 * 6)
    loop.pretrain(corpus, tmp_path / "b", recipe=made, dedupe=False)
    loop.pretrain(corpus, tmp_path / "c", base=str(tmp_path / "b"), recipe=made, dedupe=False)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
