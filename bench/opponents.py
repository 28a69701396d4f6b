"""A server as tutorials show it: a path that calls the pipeline of transformers, one request at a time.

`python bench/opponents.py FOLDER --task TASK --port PORT`, where FOLDER holds the model as transformers saves it; as
many threads as ``--workers``. `bench/batching.py` is another of the field, with the same arguments.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

KINDS = {"classification": "text-classification", "ner": "token-classification"}


def arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=list(KINDS), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def field_pipeline(folder: Path, task: str, threads: int) -> Any:
    """The pipeline of transformers for the task."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    more = {"aggregation_strategy": "simple"} if task == "ner" else {}
    return pipeline(KINDS[task], model=str(folder), tokenizer=str(folder), **more)


def plain(found: Any) -> list[dict[str, Any]]:
    """What a pipeline found in one text, as JSON can say it."""
    listed = found if isinstance(found, list) else [found]
    return [{k: v if isinstance(v, str | int) else float(v) for k, v in one.items()} for one in listed]


def main() -> None:
    """Serve until killed."""
    import uvicorn
    from fastapi import FastAPI

    options = arguments(__doc__)
    answers = field_pipeline(options.folder, options.task, options.workers)
    app = FastAPI()

    @app.post("/predict")
    async def predict(body: dict[str, Any]) -> Any:
        return plain(answers(body["text"]))

    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
