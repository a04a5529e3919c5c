"""Names of images: which suffixes are images, and which frame or slice of a file is meant by `scan.dcm#12`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import basename

from everygroup.errors import ImageError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
VOLUME_SUFFIXES = frozenset({".nii", ".nii.gz", ".img", ".img.gz"})
IMAGE_SUFFIXES = PICTURE_SUFFIXES | DICOM_SUFFIXES | VOLUME_SUFFIXES

_PART = re.compile(r"(?P<file>.+)#(?P<part>\d+|\w+=\w+(,\w+=\w+)*)")
_KEYS = ("axis", "index", "volume")


@dataclass(frozen=True)
class Part:
    """Which picture of a file is meant.

    Attributes
    ----------
    number : int or None
        A frame (DICOM, counted from 1) or the position of a slice (NIfTI, counted from 0); None where none is named.
    axis : int
        Axis across which a volume is cut, once it lies in RAS+ order: 0 sagittal, 1 coronal, 2 axial.
    volume : int or None
        Position in a fourth dimension, counted from 0.
    text : str
        As it was written.
    """

    number: int | None = None
    axis: int = 2
    volume: int | None = None
    text: str = ""


def split_reference(name: str) -> tuple[str, str]:
    """Return the file's name and what follows `#`: "scan.dcm#12" -> ("scan.dcm", "12"); "" where there is nothing."""
    found = _PART.fullmatch(name)
    return (found["file"], found["part"]) if found else (name, "")


def read_part(text: str, label: str) -> Part:
    """Read what follows `#`: "12", or "axis=2,index=middle,volume=0" in any order and selection.

    Raises
    ------
    ImageError
        For an unknown key or an impossible value.
    """
    if not text:
        return Part()
    if text.isdecimal():
        return Part(number=int(text), text=text)
    values: dict[str, int] = {}
    for key, _, value in (item.partition("=") for item in text.split(",")):
        if key == "index" and value == "middle":
            continue
        if key not in _KEYS or key in values or not value.isdecimal() or (key == "axis" and int(value) > 2):
            raise ImageError(
                f"{label}: #{text} names no slice.",
                fix="write it like scan.nii.gz#axis=2,index=40 (axis 0, 1 or 2; index a number or middle; volume=0 "
                "for the first of four-dimensional data)",
            )
        values[key] = int(value)
    return Part(values.get("index"), values.get("axis", 2), values.get("volume"), text)


def split_suffix(path: str) -> tuple[str, str]:
    """Return a path without its image suffix, and the suffix in small letters; "" where it has none of an image."""
    name = basename(path).lower()
    for suffix in (".nii.gz", ".img.gz", name[name.rfind(".") :] if "." in name else ""):
        if suffix in IMAGE_SUFFIXES and name.endswith(suffix):
            return path[: -len(suffix)], suffix
    return path, ""


def may_hide_dicom(path: str) -> bool:
    """Tell whether a file's name says nothing about its kind, as is usual for DICOM: `IM0001`, `1.2.840.113619.2`."""
    name = basename(path)
    return name.upper() != "DICOMDIR" and (("." not in name) or name.rpartition(".")[2].isdecimal())


def header_name(path: str) -> str | None:
    """Name the header that belongs to the voxels of a pair: scan.img -> scan.hdr; None for other files."""
    stem, suffix = split_suffix(path)
    return f"{stem}.hdr{suffix[len('.img') :]}" if suffix.startswith(".img") else None
