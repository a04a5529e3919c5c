"""Errors a user can cause and mend. Each is shown as one message, never as a traceback."""

from __future__ import annotations


class EverygroupError(Exception):
    """A mistake in the input or the environment, with what to do about it.

    Parameters
    ----------
    message : str
        What is wrong; names the file, the row or the column.
    fix : str, optional
        What the user can do about it.
    """

    exit_code = 2

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  Fix: {self.fix}" if self.fix else self.message


class CohortError(EverygroupError):
    """The table, its columns, groups or labels cannot be used."""


class ImageError(EverygroupError):
    """An image cannot be read or is not what it should be."""


class SettingsError(EverygroupError):
    """An option or a settings file holds an unknown name or an impossible value."""


class PredictionsError(EverygroupError):
    """A table of predictions cannot be used."""


class TableError(CohortError, PredictionsError):
    """A file cannot be read as a table, be it for a cohort or for predictions."""


class OutputError(EverygroupError):
    """A folder or file cannot be written, or holds something else."""


class TrainingError(EverygroupError):
    """A network cannot be trained on this cohort, or training broke down."""
