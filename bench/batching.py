"""LitServe with batches, as its documentation shows them: a worker a core, up to 16 texts padded to their longest, 5 ms
to fill them. Started as `bench/opponents.py` is; needs ``pip install litserve``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import litserve

from opponents import arguments, field_pipeline, plain


class Api(litserve.LitAPI):
    """A pipeline of transformers behind LitServe; it travels to the workers by pickle, hence at the module's top."""

    def __init__(self, folder: Path, task: str, **batches: Any) -> None:
        super().__init__(**batches)
        self.folder, self.task = folder, task

    def setup(self, device: str) -> None:
        self.answers = field_pipeline(self.folder, self.task, 1)

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe reads annotations: any makes it a query
        return str(request["text"])

    def batch(self, inputs: list[str]) -> list[str]:
        return inputs

    def predict(self, x: list[str]) -> list[Any]:
        return list(self.answers(x, batch_size=len(x)))

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> Any:
        return {"found": plain(output)}


def main() -> None:
    """Serve until killed."""
    options = arguments(__doc__)
    api = Api(options.folder, options.task, max_batch_size=16, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=options.workers)
    server.run(host="127.0.0.1", port=options.port, log_level="warning", generate_client_file=False, num_api_servers=1)


if __name__ == "__main__":
    main()
