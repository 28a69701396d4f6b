"""A worker whose versions load nothing and do as the texts say; run as a program."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from tunewheel.serving import answers, worker

HOME = Path(os.environ.get("PUPPET_HOME", "."))


def befall(what: str) -> None:
    if what == "die":
        os._exit(9)
    if what == "die once" and not (HOME / "died").exists():
        (HOME / "died").touch()
        os._exit(9)
    if what == "hang":
        time.sleep(120)
    if what == "chatter":
        os.write(3, b"this is no message of ours, but as long as one")
    if what == "raise":
        raise ValueError("a library's words")


class Opened:
    """Answers with the mark of the version it was opened from: a or b."""

    variant = "torch-fp32"

    def __init__(self, folder, *how):
        declared = (Path(folder) / "tunewheel.json").read_text(encoding="utf-8")
        self.mark = "b" if "b-0" in declared else "a"
        self.writes = '"generation"' in declared
        self.trouble = os.environ.get(f"PUPPET_{self.mark.upper()}", "")
        if self.trouble != "wrong label":
            befall(self.trouble)

    def __call__(self, rows):
        probes = len(rows) > 4  # the probes are eight
        for row in rows:
            befall(row["text"])
            if self.trouble == "raise in answers" and not probes:
                raise ValueError("a library's words")
            if self.trouble == "slow" and not probes:
                time.sleep(0.1)
            if row["text"].startswith("sleep"):
                time.sleep(float(row["text"].split()[1]))
            with (HOME / "computed").open("a", encoding="utf-8") as file:
                file.write(row["text"][:40] + "\n")
        if self.writes:
            return [{"text": "all of it"} for _ in rows], None
        label = "c-0" if self.trouble == "wrong label" else f"{self.mark}-0"
        return [{"label": label, "confidence": 1.0} for _ in rows], None

    def __del__(self):
        with suppress(OSError), (HOME / "unloaded").open("a", encoding="utf-8") as file:
            file.write(self.mark)

    def pieces(self, row):
        first, _, then = row["text"].partition(", ")
        for number in range(int(first)):
            yield f"{number} "
        befall(then)


if __name__ == "__main__":
    answers.Opened = Opened
    worker.main()
