"""The report in a real Chromium: offline, sortable, downloadable, in the dark and on a phone."""

from __future__ import annotations

import csv
import importlib.util
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from everygroup.report import write_brief, write_report

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH")

SCRIPT, FORMULA = "<script>alert(1)</script>", "=cmd|' /C calc'!A0"


def _synthetic() -> ModuleType:
    """The made-up audit of the report's own tests."""
    spec = importlib.util.spec_from_file_location(
        "browser_synthetic", Path(__file__).parents[1] / "report" / "synthetic.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def audit() -> Any:
    found = _synthetic().full_audit(attributes={"sex": (SCRIPT, "male"), "age": (FORMULA, "40 to 60", "over 60")})
    found.flags = (*found.flags, f"{SCRIPT} is small")
    return found


@pytest.fixture(scope="module")
def report(audit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    return write_report(path, title=f"Audit of {SCRIPT}", question={"cohort": FORMULA}, audit=audit)


@pytest.fixture(scope="module")
def brief(audit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "brief.html"
    return write_brief(path, title=f"Audit of {SCRIPT}", question={"cohort": FORMULA}, audit=audit)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield chromium
        chromium.close()


class Opened:
    """A page, and everything that should not happen while it is open."""

    def __init__(self, browser: Any, path: Path, **look: Any) -> None:
        self.trouble: list[str] = []
        self.context = browser.new_context(offline=True, accept_downloads=True, **look)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.trouble.append(f"console: {m.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)
        self.page.goto(path.as_uri())

    def _dialog(self, dialog: Any) -> None:
        self.trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.trouble.append(f"request: {request.url}")


@pytest.fixture
def opened(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    found = Opened(browser, report, **getattr(request, "param", {}))
    yield found
    found.context.close()
    assert found.trouble == []


def look(**settings: Any) -> Any:
    return pytest.mark.parametrize("opened", [settings], indirect=True)


def column(page: Any, caption: str, index: int) -> list[str]:
    return page.evaluate(
        """([caption, index]) => Array.from(document.querySelectorAll("table"))
            .find((t) => t.caption.textContent.trim() === caption)
            .querySelectorAll("tbody tr").values().map((r) => r.children[index].textContent.trim()).toArray()""",
        [caption, index],
    )


def open_all(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")


def test_renders_offline_with_all_figures(opened: Opened) -> None:
    page = opened.page
    assert SCRIPT in page.title()
    figures = page.locator("svg.chart")
    assert figures.count() >= 12
    for name in ("groups", "changes", "curves", "cells", "intersections", "tradeoff", "gaps"):
        box = page.locator(f"#{name} svg.chart >> visible=true").first.bounding_box()
        assert box is not None and box["width"] > 150 and box["height"] > 60
        label = page.locator(f"#{name} svg.chart >> visible=true").first.get_attribute("aria-label")
        assert label
    assert page.locator("body").get_by_text("undefined").count() >= 1


def test_headings_are_in_order_and_landmarks_are_there(opened: Opened) -> None:
    page = opened.page
    levels = page.evaluate("Array.from(document.querySelectorAll('h1,h2,h3,h4')).map((h) => Number(h.tagName[1]))")
    assert levels[:2] == [1, 2] and set(levels[2:]) == {2, 3}  # of the brief's own parts
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    nameless = "Array.from(document.querySelectorAll('table')).filter((t) => !t.caption).length"
    assert page.evaluate(nameless) == 0


def test_tables_sort_by_clicking(opened: Opened) -> None:
    page = opened.page
    open_all(page)
    caption = "F1 (macro) by group"
    table = page.locator("table", has=page.locator(f"caption:text-is('{caption}')"))
    head = table.locator("thead th").nth(2)
    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button").click()
    rising = column(page, caption, 2)
    assert head.get_attribute("aria-sort") == "ascending"
    values = [float(text.split()[0]) for text in rising]
    assert values == sorted(values) and len(values) == 8
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, caption, 2) == rising[::-1]
    table.locator("thead th").nth(1).get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None


def test_tables_sort_by_keyboard_and_counts_as_numbers(opened: Opened) -> None:
    page = opened.page
    open_all(page)
    caption = "F1 (macro) by group"
    button = page.locator("table", has=page.locator(f"caption:text-is('{caption}')")).locator("thead button").last
    button.focus()
    width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    page.keyboard.press("Enter")
    n = [int(text.replace(",", "")) for text in column(page, caption, 3)]
    assert n == sorted(n) and max(n) == 1200
    page.keyboard.press("Space")
    assert [int(text.replace(",", "")) for text in column(page, caption, 3)] == n[::-1]
    assert float(width.removesuffix("px")) >= 2  # the focus can be seen


def test_undefined_stays_last_both_ways(opened: Opened) -> None:
    page = opened.page
    page.locator("#cells summary").click()
    caption = "Recall by label and group"
    table = page.locator("table", has=page.locator(f"caption:text-is('{caption}')"))
    button = table.get_by_role("button", name="recall")
    for _ in range(2):
        button.click()
        assert column(page, caption, 3)[-1] == "undefined"


def test_skip_link_is_first(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "answer"


def test_downloads_match_the_data_and_hold_no_formulas(opened: Opened, audit: Any, tmp_path: Path) -> None:
    page = opened.page
    with page.expect_download() as caught:
        page.get_by_role("link", name="measurements, CSV").click()
    path = tmp_path / caught.value.suggested_filename
    caught.value.save_as(path)
    assert path.name == "measurements.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == len(audit.table)
    for row, value in zip(rows, audit.table["value"], strict=True):
        assert float(row["value"]) == pytest.approx(value, abs=1e-6)
    assert {row["group"] for row in rows} >= {SCRIPT, f"'{FORMULA}"}
    assert not any(text.startswith(("=", "+", "@", "\t")) for row in rows for text in row.values())
    with page.expect_download() as caught:
        page.get_by_role("link", name="Model card, Markdown").click()
    text = Path(caught.value.path()).read_text(encoding="utf-8")
    assert "## Uses" in text and "<script" not in text


def test_names_from_data_are_text(opened: Opened) -> None:
    page = opened.page
    open_all(page)
    assert page.locator("script").count() == 1
    assert page.get_by_role("cell", name=SCRIPT).or_(page.get_by_role("rowheader", name=SCRIPT)).count() > 0
    # A script that came in all the same may not run.
    page.evaluate("""() => {
        window.ran = 0;
        addEventListener("securitypolicyviolation", () => { window.refused = true; });
        const script = document.createElement("script");
        script.textContent = "window.ran = 1";
        document.body.append(script);
    }""")
    page.wait_for_function("window.refused === true")
    assert page.evaluate("window.ran") == 0
    assert any("Content Security Policy" in text for text in opened.trouble)
    opened.trouble.clear()


@look(color_scheme="dark")
def test_dark_mode_and_its_switch(opened: Opened) -> None:
    page = opened.page
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('#groups svg text[fill=\"#1b1f24\"]')).fill"
    assert page.evaluate(paper) == "rgb(20, 24, 29)"
    assert page.evaluate(ink) == "rgb(232, 236, 241)"
    switch = page.get_by_role("button", name="Dark colours")
    assert switch.get_attribute("aria-pressed") == "true"
    switch.press("Enter")
    assert switch.get_attribute("aria-pressed") == "false"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate(ink) == "rgb(27, 31, 36)"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


@look(color_scheme="dark", viewport={"width": 690, "height": 1000})
def test_paper_is_light_and_nothing_is_cut_off(opened: Opened) -> None:
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 690  # A4 within its margins
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.page.locator("nav").is_visible()


@look(viewport={"width": 390, "height": 844})
def test_a_phone_does_not_scroll_sideways(opened: Opened) -> None:
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#groups .wide").first.is_hidden()
    for name in ("groups", "changes", "intersections", "gaps"):
        chart = page.locator(f"#{name} .narrow svg").first.bounding_box()
        assert chart is not None and chart["width"] <= 358


@look(java_script_enabled=False)
def test_readable_without_the_script(opened: Opened) -> None:
    page = opened.page
    assert page.get_by_role("heading", name="The finding").is_visible()
    assert page.locator("thead button").count() == 0 and not page.locator("#theme").is_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_brief_fits_a_phone_and_a_desk(browser: Any, brief: Path, width: int) -> None:
    found = Opened(browser, brief, viewport={"width": width, "height": 844})
    page = found.page
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("svg.chart >> visible=true").count() == 1
    for words in ("What cannot be said", "Read by a clinician", "To heed"):
        assert page.get_by_text(words).first.is_visible()
    found.context.close()
    assert found.trouble == []


def test_the_brief_prints_on_two_pages_at_most(browser: Any, brief: Path) -> None:
    found = Opened(browser, brief)
    paper = found.page.pdf(format="A4", prefer_css_page_size=True)
    found.context.close()
    pages = re.findall(rb"/Type\s*/Page\b", paper)
    assert 1 <= len(pages) <= 2
