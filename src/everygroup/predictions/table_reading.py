"""How a table of predictions is read: one object of options that travels from the command or the call to the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from everygroup.predictions.metadata import Joined, join
from everygroup.reading import Names, Text
from everygroup.settings import option
from everygroup.tables import Spelling, open_table

NO_CLUSTER = "none"
"""Given for the column of the patient: there is none, the rows are independent."""


class TableReading(BaseModel):
    """How a table of predictions is read; what is not named is guessed from names and values, and said.

    The fields are options of `everygroup audit` and of `everygroup.audit.audit_table`, too.
    """

    model_config = ConfigDict(title="Columns", frozen=True, extra="forbid", arbitrary_types_allowed=True)

    y_true: Text | None = option(
        None, "column of the label; for several labels a pattern such as 'true_*'", metavar="COLUMN"
    )
    y_pred: Text | None = option(None, "column of the answer", metavar="COLUMN")
    y_score: Names = option(
        (),
        "column of a class's score; a pattern such as 'score_*' whose '*' is the class; or one positive score",
        metavar="COLUMN",
    )
    positive: Text | None = option(
        None, "the positive one of two classes, where their names do not tell", metavar="CLASS"
    )
    id_column: Text | None = option(None, "column of the sample id", metavar="COLUMN", flag="--id-column --id")
    cluster: Text | None = option(None, "column of the patient or lesion; none: rows are independent", metavar="COLUMN")
    split_column: Text | None = option(None, "column of the split", metavar="COLUMN")
    metadata: Text | None = option(None, "another table with further columns (age, sex), joined by id", metavar="FILE")
    metadata_id: Text | None = option(None, "its column of ids", metavar="COLUMN")
    groups: Names | None = option(
        None, "column of a sensitive attribute", metavar="COLUMN", flag="--group", panel="Rows and groups"
    )
    bins: dict[str, Any] = option({}, "how to bin the attributes, as in age=40,60", metavar="COLUMN=RULE")
    classes: Names | None = option(None, "class names in order; found in the file when not given")
    model: str = option("", "name of the model, where the file does not say")
    spelling: Spelling = option(Spelling(), "which words are missing, and which spellings mean one thing")
    beside: Names = option((), "further columns that are kept with the rows, as texts: a date, a clinical variable")

    def open(self, path: Path | str) -> Joined:
        """Look at a table and the metadata beside it."""
        return join(open_table(path, self.spelling), self.metadata, self.metadata_id, self.id_column)

    def open_baseline(self, path: Path | str) -> Joined:
        """Look at the table of another model."""
        return Joined(open_table(path, self.spelling))

    @property
    def of_baseline(self) -> TableReading:
        """How the table of another model is read: attributes and patients come from the first."""
        return self.but(groups=(), bins={}, cluster=None, metadata=None, metadata_id=None, beside=())

    def but(self, **changes: Any) -> TableReading:
        """The same with some fields changed."""
        return self.model_copy(update=changes)

    @property
    def attributes(self) -> list[str]:
        """The columns of the sensitive attributes that are named, each once."""
        return list(dict.fromkeys(self.groups or ()))

    @property
    def named(self) -> set[str]:
        """All columns that are named for what they tell of a row."""
        cluster = None if self.cluster == NO_CLUSTER else self.cluster
        return {c for c in (*self.attributes, self.id_column, cluster, self.split_column) if c is not None}
