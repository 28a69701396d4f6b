"""Language models that are asked in words: one on this machine, or one behind an OpenAI-compatible server."""

from tunewheel.models.language.base import BudgetError, Completion, LanguageModel, LanguageModelError, Message, Messages

__all__ = ["BudgetError", "Completion", "LanguageModel", "LanguageModelError", "Message", "Messages"]
