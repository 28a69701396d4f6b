"""A compiled run learns what another learns, goes on where it was killed, and does without where it cannot be."""

import pytest
import torch
from safetensors.torch import load_file

from tunewheel import loop
from tunewheel.models.pretraining.build import new_network
from tunewheel.models.pretraining.compiling import compiled, is_worth

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*"),  # inductor's own, where it is first imported
]


ONCE = "the layers, once (compile=false goes without)"


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["mlm", "rtd", "clm"])
def test_a_compiled_run_learns_the_same_and_is_taken_up_at_the_very_batch(tmp_path, corpus, recipe, cut, objective):
    made = recipe(compile=True, objective=objective)
    given = {"recipe": made, "dedupe": False}
    said = []
    whole = loop.pretrain(corpus, tmp_path / "a", **given, say=lambda *line: said.append(line))
    assert [line for heading, line in said if heading == "compiling"] == [ONCE]
    cut(7, corpus, tmp_path / "b", **given)
    again = loop.pretrain(corpus, tmp_path / "b", **given)
    assert again.run.resumed_from > 0
    first, second = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(first[name], second[name]) for name in first)
    plain = loop.pretrain(corpus, tmp_path / "c", recipe=recipe(compile=False, objective=objective), dedupe=False)
    assert whole.run.held["words"] == pytest.approx(plain.run.held["words"], rel=0.01)


@pytest.mark.slow
def test_gradients_of_the_table_are_the_same_every_time(recipe):
    network = new_network(recipe(width=64, vocabulary=200, layers=1), 200)
    draw = torch.Generator().manual_seed(1)
    batch = {name: torch.randint(10, 200, (64, 64), generator=draw) for name in ("input_ids", "labels")}
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []
    try:
        with compiled(network, batch, "fp32", lambda *_: None):
            for _ in range(8):
                network.zero_grad()
                network(**batch)["loss"].backward()
                seen.append(network.backbone.get_input_embeddings().weight.grad.clone())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, seen[0]) for one in seen)


@pytest.mark.slow
def test_where_nothing_compiles_the_run_goes_on_without(tmp_path, corpus, recipe, monkeypatch):
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "no-compiler"),))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    torch.compiler.reset()
    said = []
    made = loop.pretrain(
        corpus, tmp_path / "a", recipe=recipe(compile=True), dedupe=False, say=lambda *line: said.append(line)
    )
    assert made.run.updates == 12
    assert any("cannot be done here, and is not needed" in line for _, line in said)


def test_a_long_run_is_compiled_where_there_is_a_compiler(recipe, monkeypatch):
    class Sized:
        def flops(self, length, share):
            return 3e7

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == "g++" else None)
    assert is_worth(Sized(), recipe(tokens=10_000_000)) and not is_worth(Sized(), recipe(tokens=100_000))
    assert is_worth(Sized(), recipe(compile=True)) and not is_worth(Sized(), recipe(tokens=10_000_000, compile=False))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not is_worth(Sized(), recipe(tokens=10_000_000))
