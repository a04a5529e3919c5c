"""A folder of DICOM files as a table: what an audit of groups needs of their tags, and nothing that names patients."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.console import say, warn
from everygroup.datasets._table import id_candidates
from everygroup.errors import CohortError, EverygroupError, ImageError, SettingsError
from everygroup.imaging import ImageSource, open_source
from everygroup.imaging._guard import extra_package
from everygroup.imaging._reference import split_reference
from everygroup.imaging.dicom import read_tags
from everygroup.imaging.npz import NpzImages
from everygroup.imaging.sources import FolderImages, ZipImages
from everygroup.tables.ages import in_years, plausible

DEFAULT_SALT = "everygroup"
SALT_VARIABLE = "EVERYGROUP_DICOM_SALT"
ATTRIBUTES = (
    "patient_key",
    "sex",
    "age",
    "modality",
    "body_part",
    "view_position",
    "laterality",
    "scanner",
    "rows",
    "columns",
)
"""Columns made from the tags."""

_UID = "SOPInstanceUID"
_TAGS = (
    _UID,
    "PatientID",
    "PatientSex",
    "PatientAge",
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "ImageLaterality",
    "Laterality",
    "Manufacturer",
    "ManufacturerModelName",
    "Rows",
    "Columns",
    "BurnedInAnnotation",
)
_SEX = {"M": "male", "F": "female", "O": "other", "MALE": "male", "FEMALE": "female", "OTHER": "other"}
_UNREAD = "an age that cannot be read: it counts as missing"
_LONGEST_CODE = 8
_IS_UID = re.compile(r"[012](\.\d+){4,}")
_UID_LENGTH = 16  # shorter ones may be the version of a program
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
_NO_TEXT = ("SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT")


def dicom_table(
    folder: Path | str, *, tags: Sequence[str] = (), salt: str | None = None, file_names: bool = True
) -> pd.DataFrame:
    """Make a table of the DICOM images of a folder (and those below it) or zip archive, from their tags.

    Only the tags listed here are read. Names, dates, addresses, institutions, physicians, comments, descriptions,
    private tags and unique identifiers never enter the table, unless a tag is asked for. ``image_id`` and
    ``patient_key`` are hashes (BLAKE2b, keyed with the salt) of SOPInstanceUID and PatientID. That is pseudonymous, not
    anonymous: who knows the salt and a patient's number can find the patient's rows. The default salt is public.

    Parameters
    ----------
    folder : path
        Where the files lie. Files without suffix count if they begin as DICOM does.
    tags : sequence of str
        Further tags to add as columns, by keyword, such as "StudyDescription". What they hold is yours to judge.
    salt : str, optional
        $EVERYGROUP_DICOM_SALT by default, else "everygroup". Keys of different salts cannot be compared.
    file_names : bool
        Whether the column ``file`` is kept. File names often hold numbers of patients or studies.

    Returns
    -------
    DataFrame
        One row a file that has pixels, in the order of their names: ``file``, ``image_id``, ``patient_key``, ``sex``
        (male, female, other or missing), ``age`` (years; months, weeks and days as fractions; as text where a file says
        '89+'), ``modality``, ``body_part``, ``view_position``, ``laterality`` (R, L, B), ``scanner`` (manufacturer and
        model), ``rows``, ``columns``, and the tags asked for. Ages and sexes that cannot be read are told.

    Raises
    ------
    CohortError
        If there are no DICOM images, or two files hold the same one.
    SettingsError
        For an unknown tag, or if pydicom is not installed.
    """
    source = open_source(folder)
    members = [] if isinstance(source, NpzImages) else sorted(source.dicom_members())
    if isinstance(source, NpzImages) or not members:
        raise CohortError(f"{folder}: holds no DICOM files.", fix="give the folder of the .dcm files")
    table = _with_pixels(_facts(source, members, tags, salt))
    twice = table[table["image_id"].duplicated(keep=False)]
    if len(twice):
        same = table.loc[table["image_id"] == twice["image_id"].iloc[0], "file"]
        raise CohortError(
            f"{folder}: {', '.join(same[:3])} hold the same image (one SOPInstanceUID).", fix="remove the copies"
        )
    table = table.drop(columns=_UID)
    return table if file_names else table.drop(columns="file")


def holds_dicom(folder: Path) -> bool:
    """Tell whether there are DICOM files in a folder or below it."""
    return bool(FolderImages(folder).dicom_members())


def tags_alone(source: ImageSource, tags: Sequence[str]) -> pd.DataFrame:
    """Take a folder of DICOM files for a table; afterwards `source` finds images by ``image_id``."""
    if isinstance(source, NpzImages):
        raise CohortError(f"{source.path}: needs a table of its images.", fix="name it metadata.csv")
    table = _with_pixels(_facts(source, sorted(source.dicom_members()), tags, None))
    source.also_called(dict(zip(table["image_id"], table["file"], strict=True)), hide_names=True)
    say(f"{len(table)} DICOM files and no table: {_said(list(ATTRIBUTES))}")
    return table.drop(columns=["file", _UID])


def join_tags(
    table: pd.DataFrame,
    source: ImageSource,
    *,
    name_column: str | None,
    tags: Sequence[str],
    keep: Collection[str] = (),
) -> pd.DataFrame:
    """Add what the tags of DICOM files say to a table whose rows name these files; other images change nothing.

    Columns that the table has already stay as they are. The column that names the files, or gives their
    SOPInstanceUID, is replaced by ``image_id``, a hash, and other columns of file names or unique identifiers are left
    out, unless the user asked for them by name: they lead to patients. Afterwards `source` finds images by the column
    that is left.

    Parameters
    ----------
    table : DataFrame
        The user's table.
    source : ZipImages, FolderImages or NpzImages
        The images.
    name_column : str, optional
        The column of the file names or SOPInstanceUIDs, where the user named one.
    tags : sequence of str
        Further tags to add as columns.
    keep : collection of str
        Columns that the user asked for by name.
    """
    if isinstance(source, NpzImages) or not source.dicom_members():
        if tags:
            raise SettingsError("--dicom-tag: the images are no DICOM files.", fix="leave it out")
        return table
    key, members, facts = _matched(table, source, name_column, tags)
    if key is None or not set(members) & set(source.dicom_members()):
        return table  # the rows name other images, or none: `choose_id_column` will say
    named = table[key].astype(str)
    aligned = facts.set_index("file").reindex(members)
    aligned.index = table.index
    lacking = [c for c in (*ATTRIBUTES, *tags) if c not in table.columns]
    say(f"{len(facts)} DICOM files: {_said(lacking)}")
    joined = table.assign(**{c: aligned[c] for c in lacking})
    wanted = {key, *lacking, *tags, *keep}
    telling = [c for c in table.columns if c not in wanted and _leads_to_files(table[c], source, members)]
    if telling:
        say(f"Left out, for they name files or are unique identifiers: {', '.join(telling)}.")
    joined = joined.drop(columns=telling)
    if name_column is not None:
        source.also_called(_files_by_id(facts), hide_names=False)
        return joined
    joined = joined.drop(columns=key)
    own = next(c for c in ("image_id", "dicom_id", "dicom_image_id") if c not in joined.columns)
    ids = [
        (_hashed(name, None, "i") if not isinstance(found, str) else found)
        + (f"#{part}" if (part := split_reference(name)[1]) else "")
        for name, found in zip(named, aligned["image_id"], strict=True)
    ]
    source.also_called(dict(zip(facts["image_id"], facts["file"], strict=True)), hide_names=True)
    joined.insert(0, own, pd.Series(ids, dtype=object, index=table.index))
    return joined


def _matched(
    table: pd.DataFrame, source: ZipImages | FolderImages, name_column: str | None, tags: Sequence[str]
) -> tuple[str | None, list[str | None], pd.DataFrame]:
    """Return the column that names files, or else holds SOPInstanceUIDs or their hashes; files of the rows; tags."""
    if name_column is not None and name_column not in table.columns:
        return None, [], pd.DataFrame()
    plain = [c for c in table.columns if str(c).lower().replace("_", "") == _UID.lower()]
    columns = [name_column] if name_column is not None else [*id_candidates(table), *plain]
    by_name = {c: [source.find(str(v)) for v in table[c]] for c in columns}
    key = max(columns, key=lambda c: sum(m is not None for m in by_name[c]), default=None)
    if key is not None and any(by_name[key]):
        members = [m for m in dict.fromkeys(by_name[key]) if m is not None]
        return key, by_name[key], _facts(source, members, tags, None)
    facts = _facts(source, source.dicom_members(), tags, None)
    files = _files_by_id(facts)
    by_id = {c: [files.get(split_reference(str(v).strip())[0]) for v in table[c]] for c in columns}
    key = max(columns, key=lambda c: sum(m is not None for m in by_id[c]), default=None)
    return (key, by_id[key], facts) if key is not None and any(by_id[key]) else (None, [], facts)


def _leads_to_files(values: pd.Series, source: ZipImages | FolderImages, members: Sequence[str | None]) -> bool:
    """Tell whether any value is a unique identifier, or half of them name a file (a number: the file of its row)."""
    known = [(str(v).strip(), m) for v, m in zip(values, members, strict=True) if pd.notna(v) and str(v).strip()]
    if any(_IS_UID.fullmatch(text) and len(text) >= _UID_LENGTH for text, _ in known):
        return True
    names = 0
    for text, member in known:
        try:
            found = source.find(text)
        except EverygroupError:  # it names several
            names += not text.isdecimal()
            continue
        names += found is not None and (found == member or not text.isdecimal())
    return 0 < len(known) <= 2 * names


def _files_by_id(facts: pd.DataFrame) -> dict[str, str]:
    """SOPInstanceUID -> file, and image_id, its hash, -> file."""
    ids = [*facts[_UID], *facts["image_id"]]
    return {str(i): f for i, f in zip(ids, [*facts["file"]] * 2, strict=True) if i is not None}


def _facts(
    source: ZipImages | FolderImages, members: Sequence[str], tags: Sequence[str], salt: str | None
) -> pd.DataFrame:
    _check_tags(tags)
    rows = []
    burnt = 0
    for member in members:
        try:
            with source.open(member) as stream:
                values = read_tags(stream, list(dict.fromkeys([*_TAGS, *tags])), member)
        except ImageError:
            values = {}  # its pixels will be found bad, and told, when they are decoded
        burnt += str(values.get("BurnedInAnnotation", "")).strip().upper() == "YES"
        uid = str(values[_UID]).strip() if _UID in values else None
        name = uid if uid is not None else hashlib.blake2b(_bytes(source, member)).hexdigest()
        rows.append({"file": member, _UID: uid, "image_id": _hashed(name, salt, "i"), **_row(values, tags, salt)})
    if burnt:
        warn(
            f"{burnt} of {len(rows)} DICOM files say that text is burnt into their pixels (BurnedInAnnotation): it may "
            "name the patient, and stays in the pictures."
        )
    table = pd.DataFrame(rows, columns=["file", _UID, "image_id", *ATTRIBUTES, *tags])
    table = table.assign(
        age=_ages([row["age"] for row in rows]), sex=pd.Series(_sexes([row["sex"] for row in rows]), dtype=object)
    )
    return table.astype({"rows": "Int64", "columns": "Int64"})


def _row(values: dict[str, Any], tags: Sequence[str], salt: str | None) -> dict[str, Any]:
    patient = str(values.get("PatientID", "")).strip()
    scanner = " ".join(str(values[k]).strip() for k in ("Manufacturer", "ManufacturerModelName") if k in values)
    row: dict[str, Any] = {
        "patient_key": _hashed(patient, salt, "p") if patient else None,
        "sex": str(values.get("PatientSex") or "").strip() or None,
        "age": str(values.get("PatientAge") or "").strip() or None,
        "modality": _code(values.get("Modality")),
        "body_part": _code(values.get("BodyPartExamined")),
        "view_position": _code(values.get("ViewPosition")),
        "laterality": _code(values.get("ImageLaterality", values.get("Laterality"))),
        "scanner": scanner or None,
        "rows": _count(values.get("Rows")),
        "columns": _count(values.get("Columns")),
    }
    return row | {tag: _text(values.get(tag)) for tag in tags}


def _with_pixels(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out reports, indices and the like; damaged files stay, to be told of when they are decoded."""
    without = table["rows"].isna() & table[_UID].notna()
    if without.any():
        say(f"{int(without.sum())} DICOM files hold no pixels (reports, indices) and are left out.")
    return table[~without].reset_index(drop=True)


def _ages(texts: Sequence[str | None]) -> pd.Series:
    """Return ages in years; NaN where they are missing, impossible or unreadable, which is told; '89+' stays a text."""
    found = plausible(in_years(texts))
    _tell(found.placeholder, texts, "ages that cannot be (placeholders): they count as missing")
    _tell(found.unreadable | (np.isnan(found.exact) & ~found.open_ended & ~np.isnan(found.low)), texts, _UNREAD)
    years = pd.Series(found.exact.round(4))
    if not found.open_ended.any():
        return years
    return years.astype(object).mask(found.open_ended, [f"{low:g}+" for low in found.low])


def _sexes(texts: Sequence[str | None]) -> list[str | None]:
    """Return male, female or other (O); None where it is missing or another word, which is told."""
    read = [None if text is None else _SEX.get(text.upper()) for text in texts]
    strange = np.array([t is not None and s is None for t, s in zip(texts, read, strict=True)], dtype=bool)
    _tell(strange, texts, "a sex that is none of M, F and O: it counts as missing")
    return read


def _tell(rows: np.ndarray, texts: Sequence[str | None], what: str) -> None:
    """Tell of values that count as missing; a long one may be free text and is not repeated."""
    if rows.any():
        first = str(texts[int(rows.argmax())])
        shown = f" (the first {first!r})" if len(first) <= _LONGEST_CODE else ""
        warn(f"{int(rows.sum())} of {len(texts)} DICOM files give {what}{shown}.")


def _code(value: Any) -> str | None:
    """Return a coded value; anything that is no code (DICOM's CS) may be free text, and is left out."""
    text = str(value if isinstance(value, str) or not isinstance(value, Sequence) else next(iter(value), "")).strip()
    return text if value is not None and _CODE.fullmatch(text) else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int) else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return "\\".join(map(str, value)) if several else str(value)


def _hashed(text: str, salt: str | None, prefix: str) -> str:
    """Keyed hash; the letter in front keeps a table from reading it as a number."""
    salt = salt if salt is not None else os.environ.get(SALT_VARIABLE) or DEFAULT_SALT
    key = hashlib.blake2b(salt.encode()).digest()
    return prefix + hashlib.blake2b(text.encode(), key=key, digest_size=10, person=prefix.encode()).hexdigest()


def _bytes(source: ZipImages | FolderImages, member: str) -> bytes:
    try:
        return source.read(member)
    except ImageError:
        return member.encode()


def _check_tags(tags: Sequence[str]) -> None:
    dictionary = extra_package("pydicom.datadict", "dicom", "DICOM files")
    for tag in tags:
        number = dictionary.tag_for_keyword(tag)
        if number is None:
            near = difflib.get_close_matches(tag, dictionary.keyword_dict, n=3)
            raise SettingsError(
                f"--dicom-tag {tag}: there is no such tag.",
                fix=f"did you mean {' or '.join(near)}?" if near else "give a keyword, such as StudyDescription",
            )
        if dictionary.dictionary_VR(number).split()[0] in _NO_TEXT:
            raise SettingsError(f"--dicom-tag {tag}: holds no text or number.", fix="choose another tag")


def _said(lacking: list[str]) -> str:
    if not lacking:
        return "the table has all that their tags would give."
    salt = f"the salt of {SALT_VARIABLE}" if os.environ.get(SALT_VARIABLE) else "the default salt"
    keys = f" (patient_key: PatientID hashed with {salt})" if "patient_key" in lacking else ""
    return f"{', '.join(lacking)} come from their tags{keys}."
