"""Errors show one message and what to do."""

import pytest

from everygroup import errors


@pytest.mark.parametrize(
    "kind", ["CohortError", "ImageError", "SettingsError", "PredictionsError", "OutputError", "TrainingError"]
)
def test_every_kind_is_caught_as_one(kind: str) -> None:
    error = getattr(errors, kind)("Row 3: no age.", fix="fill it in")
    assert isinstance(error, errors.EverygroupError)
    assert (error.message, error.fix, error.exit_code) == ("Row 3: no age.", "fill it in", 2)
    assert str(error) == "Row 3: no age.\n  Fix: fill it in"


def test_without_a_fix_only_the_message_is_shown() -> None:
    assert str(errors.EverygroupError("Broken.")) == "Broken."
