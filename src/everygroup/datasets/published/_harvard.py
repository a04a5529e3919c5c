"""The Harvard ophthalmology sets: one npz file a patient, with data_summary.csv or with the attributes inside.

Codes are those of the sets' descriptions: gender 0 female, 1 male; race 0 Asian, 1 Black, 2 White; ethnicity
0 non-Hispanic, 1 Hispanic; -1 is unknown and missing. Tables write the same in words.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from posixpath import basename, dirname
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets._table import check_columns, check_ids
from everygroup.datasets.published._adapter import LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import find_file, has_file, read_source, recode
from everygroup.datasets.published._image_files import locate, walk
from everygroup.errors import CohortError
from everygroup.imaging.arrays import DAMAGED

ATTRIBUTES = {
    "age": "years",
    "sex": "female, male (0 female, 1 male in the source; PAPILA has it the other way round)",
    "race": "asian, black, white",
    "ethnicity": "non-hispanic, hispanic",
    "language": "preferred language: english, spanish, other",
    "marital_status": "married or partnered, single, divorced, widowed, legally separated",
}
GLAUCOMA = LabelMap("glaucoma", 1, "glaucoma", {"no": "no glaucoma", "yes": "glaucoma"}, "as the set states it")
SLO = "slo_fundus@0:255"
UNKNOWN_IS_MISSING = "-1 and 'unknown' (ethnicity, language, marital status) are missing, no groups of their own."

_NEEDS = ("filename", "age", "gender", "race", "ethnicity")
_OTHER_NAMES = {
    "male": "gender",
    "hispanic": "ethnicity",
    "maritalstatus": "marital_status",
    "marital status": "marital_status",
    "maritialstatus": "marital_status",
}
_SCALARS = ("age", "gender", "race", "ethnicity", "language", "marital_status", "glaucoma", "md")
_GENDER = {"0": "female", "1": "male", "female": "female", "male": "male", "f": "female", "m": "male", "-1": None}
_RACE = {
    "0": "asian",
    "1": "black",
    "2": "white",
    "asian": "asian",
    "black": "black",
    "black or african american": "black",
    "white": "white",
    "white or caucasian": "white",
    "-1": None,
}
_ETHNICITY = {
    "0": "non-hispanic",
    "1": "hispanic",
    "non-hispanic": "non-hispanic",
    "hispanic": "hispanic",
    "-1": None,
}
_YES_NO = {"0": "no", "1": "yes", "no": "no", "yes": "yes", "0.0": "no", "1.0": "yes", "-1": None}
_LANGUAGE = {"0": "english", "1": "spanish", "2": "other", "others": "other", "-1": None}
_MARITAL = {
    "0": "married or partnered",
    "marriage or partnered": "married or partnered",
    "1": "single",
    "2": "divorced",
    "3": "widowed",
    "widoled": "widowed",
    "4": "legally separated",
    "-1": None,
}
_USE = {"training": "training", "train": "training", "validation": "validation", "testing": "test", "test": "test"}


def read_harvard(
    folder: Path,
    *,
    pictures: Sequence[str] = (SLO,),
    mask: str = "",
    column_map: Mapping[str, str] | None = None,
) -> Published:
    """Return the tidy table of one of the sets.

    Parameters
    ----------
    folder : Path
        Holds data_*.npz (in folders such as Training, or not), and mostly data_summary*.csv.
    pictures : sequence of str
        Arrays to take for the image ('KEY@LOW:HIGH'), the first that the files hold.
    mask : str, optional
        Array to name in a column `mask`.
    column_map : mapping of str to str, optional
        See `Adapter.read`.

    Raises
    ------
    CohortError
        As `Adapter.read`, and for npz files that cannot be read.
    """
    if has_file(folder, "data_summary*.csv"):
        path = find_file(folder, "data_summary*.csv")
        table = read_source(path, needs=["filename"], text=["filename"], column_map=column_map)
    else:
        path = find_file(folder, "data_summary*.csv", "data_*.npz")
        table = _from_files(folder, column_map)
    table = table.rename(columns={old: new for old, new in _OTHER_NAMES.items() if new not in table.columns})
    check_columns(path, table, _NEEDS)
    check_ids(path, table["filename"], "filename")
    names = [name if name.lower().endswith(".npz") else f"{name}.npz" for name in table["filename"]]
    images, files = locate(folder, names)
    key = _picture(images, files, pictures)
    table, notes = _coded(table, str(path))
    table = table.assign(
        image_id=[basename(name)[: -len(".npz")] for name in names], image=[f"{file}#{key}" for file in files]
    )
    if mask:
        table["mask"] = [f"{file}#{mask}" for file in files]
    if "use" not in table:
        table["use"] = [_USE.get(basename(dirname(file)).casefold()) for file in files]
    return Published(table, path, images, notes)


def _coded(table: pd.DataFrame, where: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    age, notes = ages(table["age"])
    unknown = {
        column: sum(as_category(v) == "-1" for v in table[column])
        for column in ("gender", "race", "ethnicity", "language", "marital_status")
        if column in table
    }
    said = [f"{n} values of {column} are -1 (unknown) and count as missing" for column, n in unknown.items() if n]
    absent = pd.Series([None] * len(table), dtype=object)
    coded = table.drop(columns="gender").assign(
        age=age,
        sex=recode(table["gender"], _GENDER, column="gender", where=where),
        race=recode(table["race"], _RACE, column="race", where=where),
        ethnicity=recode(table["ethnicity"], _ETHNICITY, column="ethnicity", where=where),
        language=_words(table.get("language", absent), _LANGUAGE),
        marital_status=_words(table.get("marital_status", absent), _MARITAL),
        glaucoma=recode(table.get("glaucoma", absent), _YES_NO, column="glaucoma", where=where),
    )
    if "use" in coded:
        coded["use"] = recode(table["use"], _USE, column="use", where=where)
    return coded, (*notes, *said)


def _words(values: Iterable[Any], codes: Mapping[str, str | None]) -> pd.Series:
    """Translate codes; other words stay as they are, in small letters (the tables' wording varies)."""
    texts = [as_category(v) for v in values]
    lower = [None if t is None else t.casefold() for t in texts]
    return pd.Series([codes.get(t, t) if t is not None else None for t in lower], dtype=object)


def _from_files(folder: Path, column_map: Mapping[str, str] | None) -> pd.DataFrame:
    """Read the attributes that stand in the npz files themselves; no image is unpacked."""
    rows = []
    names = {**_OTHER_NAMES, **(column_map or {})}
    for file in sorted(walk(folder), key=basename):
        if not (basename(file).startswith("data_") and file.endswith(".npz")):
            continue
        row: dict[str, Any] = {"filename": basename(file)}
        try:
            with np.load(folder / file, allow_pickle=False) as archive:
                for key in archive.files:
                    name = names.get(key, key)
                    if name in _SCALARS:
                        row[name] = archive[key].item()
        except DAMAGED as error:
            raise CohortError(
                f"{folder / file}: its attributes cannot be read ({error}).",
                fix="download the file again; Python objects (pickles) are not read, as they can run code",
            ) from error
        for column, codes in (("gender", _GENDER), ("race", _RACE), ("ethnicity", _ETHNICITY), ("glaucoma", _YES_NO)):
            text = as_category(row.get(column))
            if text is not None and text.casefold() not in codes:
                raise CohortError(
                    f"{folder / file}: unknown {column} {text!r}.", fix=f"the known values are {', '.join(codes)}"
                )
        rows.append(row)
    return pd.DataFrame(rows)


def _picture(images: Path, files: Sequence[str], pictures: Sequence[str]) -> str:
    """Return the first of these arrays that the first file at hand holds; the first of all if none is at hand."""
    first = next((images / file for file in files if images.is_dir() and (images / file).is_file()), None)
    if first is None or len(pictures) == 1:
        return pictures[0]
    try:
        with zipfile.ZipFile(first) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
    except DAMAGED as error:
        raise CohortError(f"{first}: cannot be read ({error}).", fix="download the file again") from error
    for picture in pictures:
        if picture.partition("@")[0] in held:
            return picture
    wanted = " or ".join(picture.partition("@")[0] for picture in pictures)
    raise CohortError(f"{first}: holds no {wanted}; it holds {', '.join(sorted(held))}.")
