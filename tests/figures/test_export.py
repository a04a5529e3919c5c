from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from everygroup.errors import OutputError
from everygroup.figures import export, html_fragment, inline_svg, metric_by_group, save


class Tags(HTMLParser):
    """Collect the tags of a page and what its scripts hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_svg_and_png(audit_rows: pd.DataFrame, tmp_path: Path) -> None:
    chart = metric_by_group(audit_rows, "macro_f1")
    assert ET.parse(save(chart, tmp_path / "a.svg")).getroot().tag.endswith("svg")
    data = save(chart, tmp_path / "sub" / "a.PNG").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert {p.name for p in tmp_path.iterdir()} == {"a.svg", "sub"}  # no temporary file is left


def test_png_is_on_white(audit_rows: pd.DataFrame, tmp_path: Path) -> None:
    from PIL import Image

    with Image.open(save(metric_by_group(audit_rows, "macro_f1"), tmp_path / "a.png", scale=1)) as picture:
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_unknown_suffix(audit_rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.gif"):
        save(metric_by_group(audit_rows, "macro_f1"), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_interactive_page_cannot_be_broken_out_of(audit_rows: pd.DataFrame, tmp_path: Path) -> None:
    page = save(metric_by_group(audit_rows, "macro_f1"), tmp_path / "a.html").read_text(encoding="utf-8")
    tags = Tags(page)
    assert tags.count("script") == 2 == page.count("</script>")  # the library, and the one figure
    assert 'alert("x")</script>' not in page
    assert not [a for _, a in tags.tags if any(str(a.get(k, "")).startswith("http") for k in ("src", "href"))]
    assert len(page) < 1_200_000


def test_interactive_fragments_embed_the_library_once(audit_rows: pd.DataFrame) -> None:
    chart = metric_by_group(audit_rows, "macro_f1")
    one, two = html_fragment(chart, mode="interactive"), html_fragment([chart, chart], mode="interactive")
    assert len(two) - len(one) < 30_000
    ids = re.findall(r'<div id="([^"]+)"', two)
    assert len(set(ids)) == 2


def test_auto_takes_the_smaller(audit_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = metric_by_group(audit_rows, "macro_f1")
    assert html_fragment(chart).startswith("<figure><svg")
    monkeypatch.setattr(export, "inline_svg", lambda chart: "x" * 3_000_000)
    assert html_fragment(chart).startswith("<script>")
    monkeypatch.setattr(export, "_vega", lambda: "x" * 4_000_000)
    assert html_fragment(chart, mode="auto").startswith("<figure>xxx")


def test_inline_svg_escapes_and_scopes_its_ids(audit_rows: pd.DataFrame) -> None:
    chart = metric_by_group(audit_rows, "macro_f1")
    first, second = inline_svg(chart, label='a "label" <b>'), inline_svg(chart)
    root = ET.fromstring(first)
    assert root.get("role") == "img" and root.get("aria-label") == 'a "label" <b>'
    assert "<script" not in first and "xlink" not in first
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert not ids[0] & ids[1]
    for svg, own in zip((first, second), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= own


def test_gradients_of_two_figures_do_not_mix() -> None:
    from everygroup.figures import cell_heatmap

    cells = pd.DataFrame({"label": ["a"], "group": ["b"], "value": [0.5], "n": [3]})
    svgs = [inline_svg(cell_heatmap(cells)) for _ in range(2)]
    used = [set(re.findall(r"url\(#([^)]+)\)", svg)) for svg in svgs]
    assert used[0] and not used[0] & used[1]


def test_dark_mode_repaints_on_screen_only() -> None:
    assert export.DARK_CSS.startswith("@media screen and (prefers-color-scheme: dark)")
    assert export.INK in export.DARK_CSS
