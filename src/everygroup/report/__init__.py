"""Reports: one HTML file per run or audit, self-contained, offline, with every number's n and interval; model cards."""

from everygroup.report.fingerprint_page import write_fingerprint_page
from everygroup.report.model_card import model_card, write_model_card
from everygroup.report.tables import gaps_table, groups_table, write_tables
from everygroup.report.write import MAX_BYTES, write_brief, write_report

__all__ = [
    "MAX_BYTES",
    "gaps_table",
    "groups_table",
    "model_card",
    "write_brief",
    "write_fingerprint_page",
    "write_model_card",
    "write_report",
    "write_tables",
]
