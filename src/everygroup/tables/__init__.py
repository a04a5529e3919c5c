"""The one reader of anybody's table: CSV of any usual kind, parquet, spreadsheets and run folders."""

from everygroup.tables.source import Source, file_of, open_table

__all__ = ["Source", "file_of", "open_table"]
