"""Everything that an audit leaves in a folder: numbers, brief, report, model card, tables for papers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from everygroup.audit.result import Audit
from everygroup.report.model_card import write_model_card
from everygroup.report.tables import write_tables
from everygroup.report.write import write_brief, write_report


def save(audit: Audit, folder: Path | str, *, title: str = "", question: Mapping[str, Any] | None = None) -> list[Path]:
    """Write what `everygroup audit` writes, and return the files.

    Parameters
    ----------
    title : heading of the pages; by default the name of what was audited.
    question : what was asked, shown as it is; by default what `audit_table` was asked.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    root = Path(folder)
    told = dict(audit.settings.get("asked", {}) if question is None else question)
    name = str(told.get("predictions") or audit.settings.get("task", "predictions"))
    given: dict[str, Any] = {"title": title or f"Audit of {name}", "question": told}
    return [
        *audit.write(root),
        write_brief(root / "brief.html", audit=audit, **given),
        write_report(root / "report.html", audit=audit, **given),
        write_model_card(root / "model-card.md", audit, **given),
        *write_tables(root, audit),
    ]
