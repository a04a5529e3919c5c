"""What an adapter of a published data set is: from the files as they are distributed to one tidy table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.errors import CohortError


@dataclass(frozen=True)
class LabelMap:
    """A named, versioned rule from what a data set says to the classes of a task.

    Attributes
    ----------
    name : str
        Such as 'seven' or 'malignant'; the first of an adapter is its default.
    version : int
        Raised whenever the mapping changes, so that results name what they were made with.
    column : str
        Column of the tidy table the map reads.
    mapping : mapping of str to str or None
        Class of every value that may stand there; None leaves such rows out, counted and said.
    note : str
        Where the rule comes from, and what about it misleads.
    """

    name: str
    version: int
    column: str
    mapping: Mapping[str, str | None]
    note: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order in which the mapping names them."""
        return tuple(dict.fromkeys(c for c in self.mapping.values() if c is not None))

    def apply(self, values: Iterable[Any], *, where: str) -> list[str | None]:
        """Return the class of every value; None for what the map leaves out and for a missing value.

        Raises
        ------
        CohortError
            For a value the map does not know, naming its row (the header is row 1).
        """
        known = {key.casefold(): value for key, value in self.mapping.items()}
        result: list[str | None] = []
        for row, value in enumerate(values, start=2):
            text = as_category(value)
            if text is not None and text.casefold() not in known:
                raise CohortError(
                    f"{where}: row {row}: {text!r} in column {self.column!r} is not in the label map {self.name!r}.",
                    fix=f"it knows {', '.join(list(self.mapping)[:12])}; correct the table, or use another --label-map",
                )
            result.append(None if text is None else known[text.casefold()])
        return result


@dataclass(frozen=True)
class DataSetInfo:
    """What a user should know of a data set before using it.

    Attributes
    ----------
    name, title : str
        Name for the command line, and the name the field uses.
    modality, task : str
        Such as 'dermoscopy', 'seven lesion classes'.
    citation, licence, access : str
        The paper; the licence of the data; 'open', 'registration' or 'credentialed' and by whom.
    files : tuple of str
        What a raw folder holds, as distributed.
    attributes : mapping of str to str
        Columns of the tidy table that hold sensitive attributes, and how they are coded.
    unit : str
        Column of the patient or lesion, by which splits are made; 'image_id' where the set has none.
    n_images : int or None
        Images of the published set.
    counts : mapping of str to (mapping of str to int)
        Published counts to compare with, by column of the tidy table: {'dx': {'nv': 6705, ...}}.
    defects : tuple of str
        Known defects and what is done about each.
    doubtful : bool
        Column names were not confirmed on the released files; `column_map` renames a user's columns to ours.
    """

    name: str
    title: str
    modality: str
    task: str
    citation: str
    licence: str
    access: str
    files: tuple[str, ...]
    attributes: Mapping[str, str]
    unit: str
    n_images: int | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    defects: tuple[str, ...] = ()
    doubtful: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return asdict(self)


@dataclass(frozen=True)
class Published:
    """A data set as found in a user's folder, before any image is decoded.

    Attributes
    ----------
    table : DataFrame
        One row an image, index 0..n-1. `image_id` is unique text; `image` is the file, relative to `images` (or the id
        in an npz archive); the unit's column; the attributes, coded as `DataSetInfo.attributes` says, missing as NA;
        the columns of the label maps; and the other columns of the source under their own names.
    path : Path
        The table that was read, for messages.
    images : Path
        Folder, zip or npz of the images.
    notes : tuple of str
        What was left out or changed, with counts: '28 ages of 1 are placeholders and count as missing'.
    """

    table: pd.DataFrame
    path: Path
    images: Path
    notes: tuple[str, ...] = ()


class Adapter(ABC):
    """Reads one published data set. One file, one class, one citation.

    `read` opens tables and lists folders; it decodes no image, changes no file and downloads nothing. Rows whose image
    is absent stay in the table: what to do about them is the user's choice (`--on-bad-image`, `--list-missing`).
    """

    info: ClassVar[DataSetInfo]
    label_maps: ClassVar[tuple[LabelMap, ...]]
    drops: ClassVar[Mapping[str, str]] = {}  # image_id of a known bad record: the reason it is left out

    @abstractmethod
    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table of a raw folder.

        Parameters
        ----------
        folder : Path
            As the data set is distributed, see `info.files`.
        column_map : mapping of str to str, optional
            A user's column name for one of the documented ones, where a release renamed it.

        Raises
        ------
        CohortError
            For a file or column that is missing, naming it, the folder, and what was expected.
        """

    def label_map(self, name: str | None = None) -> LabelMap:
        """Return a label map by name (the default one without).

        Raises
        ------
        CohortError
            For an unknown name.
        """
        for rule in self.label_maps:
            if name in (None, rule.name):
                return rule
        raise CohortError(
            f"{self.info.title} has no label map {name!r}.",
            fix=f"choose one of {', '.join(rule.name for rule in self.label_maps)}",
        )
