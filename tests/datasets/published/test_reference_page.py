"""The reference lists every published set and label map as the registry has them.

UPDATE_DOCS=1 makes the tables anew instead of comparing them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from everygroup.datasets.published import ADAPTERS, LabelMap, adapter_of
from everygroup.files import hash_json

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "datasets.md"


def table(head: list[str], rows: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *escaped)) + "\n"


def sets() -> str:
    rows = []
    for name in sorted(ADAPTERS):
        info = adapter_of(name).info
        unit = "image" if info.unit == "image_id" else f"`{info.unit}`"
        images = f"{info.n_images:,}" if info.n_images else ""
        attributes = ", ".join(f"`{a}`" for a in info.attributes) or "none"
        title = info.title + (" °" if info.doubtful else "")
        rows.append([f"`{name}`", title, info.modality, info.task, attributes, unit, images, info.licence, info.access])
    head = ["name", "data set", "modality", "task", "attributes", "unit", "images", "licence", "access"]
    return table(head, rows)


def label_maps() -> str:
    rows = []
    for name in sorted(ADAPTERS):
        for rule in adapter_of(name).label_maps:
            classes = ", ".join(rule.classes[:12])
            if len(rule.classes) > 12:
                classes += f" and {len(rule.classes) - 12} more"
            cells = [f"`{name}`", f"`{rule.name}`", str(rule.version), f"`{short_hash(rule)}`"]
            rows.append([*cells, f"`{rule.column}`", classes, rule.note])
    return table(["set", "label map", "version", "hash", "column read", "classes", "note"], rows)


def short_hash(rule: LabelMap) -> str:
    """The beginning of what cohort.json records as `mapping_hash`."""
    return hash_json(rule.mapping)[:8]


def test_a_changed_label_map_has_another_version() -> None:
    """The page holds the hash of every mapping and its version: results name the version they were made with."""
    row = r"^\| `(\w+)` \| `([\w-]+)` \| (\d+) \| `([0-9a-f]{8})` \|"
    documented = {m[:3]: m[3] for m in re.findall(row, PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)}
    assert len(documented) > 10
    for name in ADAPTERS:
        for rule in adapter_of(name).label_maps:
            known = documented.get((name, rule.name, str(rule.version)), short_hash(rule))
            assert known == short_hash(rule), f"{name}: the label map {rule.name!r} has changed: raise its version"


@pytest.mark.parametrize(("heading", "make"), [("Sets", sets), ("Label maps", label_maps)], ids=["sets", "label maps"])
def test_the_reference_is_the_registry(heading: str, make: object) -> None:
    assert callable(make)
    wanted = make()
    text = PAGE.read_text(encoding="utf-8")
    before, rule, rest = text.partition(f"## {heading}\n")
    assert rule, f"no section {heading!r}"
    body, *_ = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)
    prose = "\n".join(line for line in body.splitlines() if not line.startswith("|")).strip()
    if os.environ.get("UPDATE_DOCS"):
        new = f"\n{prose}\n\n{wanted}\n" if prose else f"\n{wanted}\n"
        PAGE.write_text((before + rule + new + rest[len(body) :]).rstrip("\n") + "\n", encoding="utf-8")
        return
    shown = "\n".join(line for line in body.splitlines() if line.startswith("|")) + "\n"
    assert shown == wanted, "UPDATE_DOCS=1 pytest tests/datasets/published/test_reference_page.py writes it"
