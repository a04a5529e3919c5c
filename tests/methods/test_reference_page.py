"""The reference page of methods knows every registered method, its cost and its hyper-parameters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from everygroup.methods import list_methods, method_class

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
DESCRIBED_ELSEWHERE = {"spare"}  # its options fill a page of their own


@pytest.mark.parametrize("name", list_methods())
def test_every_method_has_a_row_a_section_and_its_hyperparameters(name: str) -> None:
    assert f"[`{name}`](#{name})" in PAGE
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert section is not None
    if name not in DESCRIBED_ELSEWHERE:
        missing = [p for p in method_class(name).options() if f"`{p}`" not in section[1] and f"`{p}=" not in section[1]]
        own = [p for p in missing if p != "small_groups" or name == "group_model"]
        assert own == []
