"""The loss of fine-tuning a language model: the model, what of it is tuned, the tasks. Importing it loads no torch."""

from functions.language_model.errors import LanguageModelError, NoRoom

__all__ = ["LanguageModelError", "NoRoom"]
