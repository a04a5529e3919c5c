"""The examples in the docstrings give what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["delong", "detectable", "multiple", "power", "ranks", "signed_rank"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"everygroup.statistics.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
