"""One self-contained page from its parts: style and script inside, nothing loaded, everything from data escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from markupsafe import Markup

from everygroup.figures import DARK_CSS
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Section
from everygroup.report.brief import Brief


@dataclass(frozen=True)
class Words:
    """The page's own headings, and which of its two first sections comes first."""

    kind: str = "everygroup report"
    asked: str = "What was asked"
    asked_link: str = "Question"
    answer: str = "The answer"
    answer_link: str = "Answer"
    skip: str = "Skip to the answer"
    footer: str = "A measured gap, or its absence, describes these data; it does not certify a model."
    answer_first: bool = False


REPORT = Words()


def render_page(
    title: str,
    *,
    asked: Sequence[tuple[str, str]] = (),
    answer: Sequence[str] = (),
    flags: Sequence[str] = (),
    parts: Sequence[Section] = (),
    brief: Brief | None = None,
    lean: bool = False,
    words: Words = REPORT,
) -> str:
    """Return the page's HTML.

    Parameters
    ----------
    title : str
    asked : terms and texts
    answer : sentences
    flags : what to heed
    parts : sections
    brief : comes first where there is one
    lean : whether something had to be left out to keep the page small, which it then says
    words : headings
    """
    folder = files("everygroup.report") / "templates"
    loader = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    templates = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # The style sheet and the script are this package's own texts; nothing from data goes in.
    style = Markup((folder / "report.css").read_text(encoding="utf-8") + DARK_CSS)
    script = Markup((folder / "report.js").read_text(encoding="utf-8"))
    return templates.get_template("report.html.j2").render(
        title=clean_text(title) or "Report",
        asked=asked,
        answer=answer,
        flags=flags,
        parts=parts,
        brief=brief,
        lean=lean,
        words=words,
        style=style,
        style_hash=_digest(style),
        script=script,
        script_hash=_digest(script),
    )


def _digest(text: str) -> str:
    """Return a text's hash as a content policy writes it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
