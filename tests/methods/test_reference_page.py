"""The reference page of methods knows every method, and says where its hyper-parameters are to be listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from everygroup.methods import list_methods, method_class

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
DESCRIBED_ELSEWHERE = {"spare"}  # its options fill a page of their own


@pytest.mark.parametrize("name", list_methods())
def test_every_method_has_a_row_a_section_and_a_place_for_its_options(name: str) -> None:
    assert f"[`{name}`](#{name})" in PAGE
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert section is not None
    if method_class(name).options() and name not in DESCRIBED_ELSEWHERE:
        assert f"<!-- options of {name} -->" in section[1]
