"""What every module here raises for what a person can put right: a model, a device, a label word, a table."""

from __future__ import annotations


class LanguageModelError(ValueError):
    """A setting cannot be used: `field` is its key in a run's spec ("model", "words"), `message` says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message

    def __reduce__(self) -> tuple[type[LanguageModelError], tuple[str, str]]:
        return type(self), (self.field, self.message)  # exceptions pickle by their `args`, which hold the message alone


class NoRoom(LanguageModelError):
    """A model that does not fit into the memory that is free now."""
