"""Servers of the field, to be measured beside ours: `python bench/opponents.py KIND FOLDER --task TASK --port PORT`.

``fastapi`` is what tutorials show: a path that calls the pipeline of transformers, one request at a time. ``litserve``
batches: a worker a core, batches of up to 16 texts padded to their longest, 5 ms to fill them. FOLDER holds the model
as transformers saves it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

KINDS = {"classification": "text-classification", "ner": "token-classification"}


def fastapi(folder: Path, task: str, port: int, workers: int) -> None:
    """One process, one request at a time, as many threads as there are cores."""
    import torch
    import uvicorn
    from transformers import pipeline

    torch.set_num_threads(workers)
    more = {"aggregation_strategy": "simple"} if task == "ner" else {}
    answers = pipeline(KINDS[task], model=str(folder), tokenizer=str(folder), **more)
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Any:
        text = (await request.json())["text"]
        found = answers(text)
        return [{key: float(v) if key == "score" else v for key, v in one.items()} for one in found]

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def litserve(folder: Path, task: str, port: int, workers: int) -> None:
    """A worker a core, each with one thread; batches of 16."""
    import litserve as ls

    class Api(ls.LitAPI):
        def setup(self, device: str) -> None:
            import torch
            from transformers import pipeline

            torch.set_num_threads(1)
            more = {"aggregation_strategy": "simple"} if task == "ner" else {}
            self.answers = pipeline(KINDS[task], model=str(folder), tokenizer=str(folder), **more)

        def decode_request(self, request: Any) -> str:
            return str(request["text"])

        def batch(self, inputs: list[str]) -> list[str]:
            return inputs

        def predict(self, x: list[str]) -> list[Any]:
            return list(self.answers(x, batch_size=len(x)))

        def unbatch(self, output: list[Any]) -> list[Any]:
            return output

        def encode_response(self, output: Any) -> Any:
            found = output if isinstance(output, list) else [output]
            return {"found": [{k: float(v) if k == "score" else v for k, v in one.items()} for one in found]}

    server = ls.LitServer(Api(max_batch_size=16, batch_timeout=0.005), accelerator="cpu", workers_per_device=workers)
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False, num_api_servers=1)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["fastapi", "litserve"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=list(KINDS), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    {"fastapi": fastapi, "litserve": litserve}[options.kind](
        options.folder, options.task, options.port, options.workers
    )


if __name__ == "__main__":
    main()
