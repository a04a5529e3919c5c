"""Write figures as SVG, PNG or a page of their own, and give the fragments a report is made of."""

from __future__ import annotations

import functools
import html
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from everygroup.errors import OutputError
from everygroup.figures.svg import embedded_svg
from everygroup.figures.theme import GRID, INK, SOFT
from everygroup.files import atomic_path

if TYPE_CHECKING:
    import altair as alt

# Figures carry their colours as plain attributes; a page in dark mode repaints the neutral ones and lightens the
# darkest of the palette, so that every mark keeps a contrast of at least 3 to the page.
DARK = {
    INK: "#e8ecf1",
    SOFT: "#a3adb9",
    GRID: "#333b45",
    "#0072B2": "#3d9bd9",
    "#D55E00": "#f0803c",
    "#009E73": "#2bbd92",
}


def _repaint(colours: dict[str, str], where: str) -> str:
    rules = []
    for old, new in colours.items():
        rules.append(f'{where} svg [fill="{old}"]{{fill:{new}}}{where} svg [stroke="{old}"]{{stroke:{new}}}')
    return "".join(rules)


# A page may say data-theme="light" or "dark" on its root element; without that the reader's system decides.
DARK_CSS = (
    "@media screen and (prefers-color-scheme: dark){"
    + _repaint(DARK, ":root:not([data-theme=light])")
    + "}@media screen{"
    + _repaint(DARK, ":root[data-theme=dark]")
    + "}"
)
Mode = Literal["auto", "svg", "interactive"]
_targets = itertools.count(1)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>body{{margin:1.5rem;font-family:"Liberation Sans",Arial,Helvetica,sans-serif}}
@media screen and (prefers-color-scheme: dark){{body{{background:#14181d}}}}{css}</style></head>
<body>{body}</body></html>
"""


def save(chart: alt.TopLevelMixin, path: Path | str, *, scale: float = 2.0) -> Path:
    """Write a figure; the suffix chooses the kind.

    Parameters
    ----------
    chart : altair chart
        A figure of this room, or any other.
    path : path
        Ends in .svg, .png (on white), or .html (one interactive page that needs no network).
    scale : float
        Pixels of the PNG per unit of the figure.

    Raises
    ------
    OutputError
        For another suffix, or if the file cannot be written.
    """
    import vl_convert

    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".svg":
        data = _svg(chart).encode()
    elif suffix == ".png":
        data = vl_convert.vegalite_to_png(_json(_spec(chart) | {"background": "white"}), scale=scale)
    elif suffix == ".html":
        title = html.escape(str(_spec(chart).get("description", "Figure")))
        data = _PAGE.format(title=title, css=DARK_CSS, body=html_fragment(chart, mode="interactive")).encode()
    else:
        raise OutputError(f"Cannot write a figure as {path.name!r}.", fix="end the name in .svg, .png or .html")
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def inline_svg(chart: alt.TopLevelMixin, *, label: str = "") -> str:
    """Return one figure as an SVG element for an HTML page; `label` is what a screen reader says for it."""
    return embedded_svg(_svg(chart), label or str(_spec(chart).get("description", "Figure")))


def html_fragment(charts: alt.TopLevelMixin | Sequence[alt.TopLevelMixin], *, mode: Mode = "auto") -> str:
    """Return figures as HTML to put into a page; nothing is loaded from elsewhere.

    Parameters
    ----------
    charts : altair chart or sequence of them
        The page's figures, all of them: the code for interactive figures is then embedded once.
    mode : {"auto", "svg", "interactive"}
        "svg" draws them now (works without JavaScript, prints well, hover titles); "interactive" embeds Vega
        (about 0.9 MB whatever the number of figures); "auto" takes the smaller.

    Notes
    -----
    Put `DARK_CSS` into the page's style for dark mode.
    """
    several = list(charts) if isinstance(charts, Sequence) else [charts]
    if mode == "interactive":
        return _interactive(several)
    drawn = "".join(f"<figure>{inline_svg(chart)}</figure>" for chart in several)
    if mode == "svg":
        return drawn
    # Drawing is the dearer half only for many thousand marks: build the other version just then.
    if len(drawn) <= 800_000:
        return drawn
    return min(drawn, _interactive(several), key=len)


def _interactive(charts: list[alt.TopLevelMixin]) -> str:
    parts = []
    for chart in charts:
        spec = _spec(chart)
        name = f"chart-{next(_targets)}"
        label = html.escape(str(spec.get("description", "Figure")), quote=True)
        options = '{renderer:"svg",actions:false}'
        parts.append(
            f'<figure><div id="{name}" role="img" aria-label="{label}"></div></figure>'
            f'<script>vegaEmbed("#{name}",{_script_json(spec)},{options})</script>'
        )
    return f"<script>{_vega()}</script>" + "".join(parts)


@functools.cache
def _vega() -> str:
    import vl_convert

    # The bundle must not be able to end the script element it stands in.
    bundle = str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub forgets the defaults
    return bundle.replace("</script", "<\\/script")


def _spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    # Validation against the schema costs more than drawing does; the tests draw every figure.
    return chart.to_dict(validate=False)


def _json(spec: dict[str, Any]) -> str:
    return json.dumps(spec, ensure_ascii=False)


def _script_json(spec: dict[str, Any]) -> str:
    """Return JSON that cannot leave a script element, whatever text from data it holds."""
    text = json.dumps(spec, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _svg(chart: alt.TopLevelMixin) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(_json(_spec(chart))))
