"""The one reader of anybody's table: CSV of any usual kind, parquet, spreadsheets and run folders."""

from everygroup.tables.missing import Spelling, settle_labels
from everygroup.tables.opening import file_of, open_table
from everygroup.tables.problems import Problems
from everygroup.tables.source import Source

__all__ = ["Problems", "Source", "Spelling", "file_of", "open_table", "settle_labels"]
