"""Make a drawn SVG fit to stand inside a page: scoped ids, hover titles, short numbers, nothing from outside."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

from everygroup.figures.theme import clean_text

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_RGB = re.compile(r"rgb\((\d+), (\d+), (\d+)\)")
_REFERENCE = re.compile(r"url\(#([\w-]+)\)")
_GEOMETRY = frozenset({"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height"})
_NOISE = frozenset({"aria-roledescription", "pointer-events", "stroke-miterlimit"})
_scopes = itertools.count(1)


def embedded_svg(svg: str, label: str) -> str:
    """Return an SVG element to be put into an HTML page as it is.

    Ids are renamed so that several figures share a page, every mark that has a description shows it when hovered,
    coordinates keep one decimal, and empty groups go. Text from data was escaped when the SVG was drawn and is
    escaped again here.

    Parameters
    ----------
    svg : str
        An SVG document as vl-convert writes it.
    label : str
        What a screen reader says for the whole figure.
    """
    scope = f"f{next(_scopes)}"
    root = ET.fromstring(svg)
    for node in root.iter():
        node.tag = node.tag.removeprefix(f"{{{_SVG}}}")
        for key in list(node.attrib):
            value = node.attrib[key]
            if key in _NOISE:
                del node.attrib[key]
            elif key == "id":
                node.attrib[key] = f"{scope}-{value}"
            elif key in ("fill", "stroke") and (rgb := _RGB.fullmatch(value)):
                node.attrib[key] = "#" + "".join(f"{int(part):02x}" for part in rgb.groups())
            elif key in _GEOMETRY:
                node.attrib[key] = _NUMBER.sub(_shortened, value)
            elif key.startswith("{"):  # xlink: nothing that vl-convert draws needs a link
                del node.attrib[key]
            elif "url(#" in value:
                node.attrib[key] = _REFERENCE.sub(rf"url(#{scope}-\1)", value)
        described = node.attrib.pop("aria-label", None)
        if described and node.attrib.pop("role", None) == "graphics-symbol":
            title = ET.Element("title")
            title.text = described
            node.insert(0, title)
        node.attrib.pop("role", None)
        node.attrib.pop("aria-hidden", None)
    _drop_empty(root)
    root.attrib.update({"xmlns": _SVG, "role": "img", "aria-label": clean_text(label), "class": "chart"})
    root.attrib.pop("version", None)
    return ET.tostring(root, encoding="unicode")


def _shortened(found: re.Match[str]) -> str:
    return f"{float(found.group()):.1f}".removesuffix(".0")


def _drop_empty(node: ET.Element) -> None:
    """Remove groups and paths that draw nothing; Vega leaves many."""
    for child in list(node):
        _drop_empty(child)
        nothing = child.tag == "g" and not len(child)
        if nothing or (child.tag == "path" and child.get("d") in (None, "", "M0,0h0v0h0Z")):
            node.remove(child)
