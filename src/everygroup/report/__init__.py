"""Reports: one HTML file per run or audit, self-contained, offline, with every number's n and interval."""

from everygroup.report.write import MAX_BYTES, write_report

__all__ = ["MAX_BYTES", "write_report"]
