"""What is loaded as what, told without a worker."""

import asyncio
from dataclasses import replace

from tunewheel.serving.crew import Changes
from tunewheel.serving.fleet import settled, targets_of
from tunewheel.serving.versions import Versions


class Loading:
    """A worker that finds ``variant`` fastest, once told to go on."""

    def __init__(self, variant):
        self.variant, self.asked, self.go = variant, [], asyncio.Event()

    async def load(self, ref, folder, **how):
        self.asked.append(how["variant"])
        await self.go.wait()
        return self.variant


def opened(shop, during):
    """Two workers load a version whose variant is to be measured; ``during`` happens meanwhile."""
    (target,) = targets_of(["tickets"])
    versions = Versions(
        shop.workspace, [target], "auto", changes=Changes(), tell=lambda *_, **__: None, dispatch=lambda: None
    )
    served = replace(settled(target, shop.workspace, "auto"), variant="auto")
    versions.wanted[served.ref] = served

    async def run():
        first, second = Loading("onnx-int8"), Loading("onnx-fp32")
        both = asyncio.gather(versions._opened(first, served), versions._opened(second, served))
        await asyncio.sleep(0)
        during(versions, served)
        first.go.set()
        second.go.set()
        await both
        return first.asked, second.asked

    return versions, served, asyncio.run(run())


def test_the_first_worker_finds_the_variant_and_the_others_take_it(shop):
    versions, served, asked = opened(shop, lambda versions, served: None)
    assert asked == (["auto"], ["onnx-int8"]) and versions.wanted[served.ref].variant == "onnx-int8"


def test_a_version_let_go_while_it_is_measured_does_not_come_back(shop):
    versions, _, _ = opened(shop, lambda versions, served: versions.wanted.pop(served.ref))
    assert versions.wanted == {}
