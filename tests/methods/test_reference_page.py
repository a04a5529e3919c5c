"""The reference page of methods knows every method, and says where its hyper-parameters are to be listed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from everygroup.methods import list_methods, method_class

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from mkdocs_hooks import on_page_markdown  # noqa: E402

WRITTEN = (ROOT / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
PAGE = on_page_markdown(WRITTEN)
DESCRIBED_ELSEWHERE = {"spare"}  # its options fill a page of their own


@pytest.mark.parametrize("name", list_methods())
def test_every_method_has_a_row_a_section_and_its_options(name: str) -> None:
    assert PAGE.count(f"| [`{name}`](#{name}) |") == 1
    sections = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert len(sections) == 1
    method = method_class(name)
    if name not in DESCRIBED_ELSEWHERE:
        assert all(f"| `{option}`" in sections[0] for option in method.options())
    assert len((method.__doc__ or "").split()) > 5
    assert method.info.idea


def test_no_mark_is_left() -> None:
    assert "<!--" not in PAGE
