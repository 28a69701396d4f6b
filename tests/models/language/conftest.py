from collections.abc import Iterator

import pytest

from chats import Chat, chatting
from tunewheel.models.language import endpoint


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """A server, waits that take no time, and no key in the environment."""
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.001)
    monkeypatch.delenv(endpoint.KEY, raising=False)
    with chatting() as running:
        yield running
