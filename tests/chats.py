"""A chat server on this machine that tests ask, and that misbehaves on request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Fault:
    """What is answered in place of a completion: a status with a body, after a while."""

    status: int = 200
    body: str = '{"error": {"message": "sorry"}}'
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


Reply = Callable[[list[dict[str, str]]], str]


@dataclass
class Chat:
    """Answers by ``reply``, but for the ``faults``, one a request, which go first. Writes down what it was asked."""

    url: str
    reply: Reply = lambda messages: '{"label": "lost"}'
    faults: list[Fault] = field(default_factory=list)
    refuse: Callable[[dict[str, Any]], str | None] = lambda request: None
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    usage: tuple[int, int] | None = (10, 5)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def heard(self) -> str:
        """Everything that any request held."""
        return json.dumps(self.asked, ensure_ascii=False)


class chatting:
    """A server at an address, while the block runs."""

    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.chat = Chat(f"http://127.0.0.1:{self.server.server_port}/v1")  # type: ignore[attr-defined]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Chat:
        self.thread.start()
        return self.server.chat  # type: ignore[attr-defined, no-any-return]

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        chat: Chat = self.server.chat  # type: ignore[attr-defined]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with chat.lock:
            chat.asked.append(request)
            chat.keys.append(self.headers.get("Authorization", ""))
            fault = chat.faults.pop(0) if chat.faults else None
        if fault:
            time.sleep(fault.seconds)
            self._send(fault.status, fault.body, fault.headers)
        elif said := chat.refuse(request):
            self._send(400, json.dumps({"error": {"message": said, "param": None}}), {})
        else:
            self._send(200, json.dumps(_completion(request, chat)), {})

    def _send(self, status: int, body: str, headers: dict[str, str]) -> None:
        content = body.encode()
        with suppress(OSError):  # who asked may have had enough
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def _completion(request: dict[str, Any], chat: Chat) -> dict[str, Any]:
    message = {"role": "assistant", "content": chat.reply(request["messages"])}
    told: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": request["model"]}
    told["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    if chat.usage:
        read, written = chat.usage
        told["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return told
