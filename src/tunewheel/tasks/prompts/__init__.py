"""How a language model is asked for a task, and how its words become predictions."""

from tunewheel.tasks.prompts.base import (
    Lang,
    Prompt,
    Scored,
    as_json,
    asked,
    listed_labels,
    read_json,
    without_thoughts,
)

__all__ = ["Lang", "Prompt", "Scored", "as_json", "asked", "listed_labels", "read_json", "without_thoughts"]
