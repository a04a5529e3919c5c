"""How a name in a table leads to an image: as it is written, or by what of it can only mean one image."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from posixpath import basename

from everygroup.errors import CohortError, ImageError
from everygroup.imaging._reference import DICOM_SUFFIXES, read_part, split_reference, split_suffix
from everygroup.imaging.arrays import array_name


@dataclass(frozen=True)
class Match:
    """What a name leads to.

    Attributes
    ----------
    member : str or None
        The image: a file of a folder or zip archive (or an array in it), or an id of an npz archive.
    part : str
        Which picture of the file is meant: "12" for `scan.dcm#12`.
    how : str
        "" where the image is called as it is written; else "by name without suffix" (`x` is x.png), "by file name in
        another folder" (`set/x.png` is x.png) or "with another suffix" (`x.jpg` is x.png).
    rivals : tuple of str
        The images that the name fits equally well, where there are several and `member` is None.
    """

    member: str | None
    part: str = ""
    how: str = ""
    rivals: tuple[str, ...] = ()

    @property
    def picture(self) -> tuple[object, ...] | None:
        """What is equal for two names of one picture of one file; None where there is no image."""
        if self.member is None:
            return None
        try:
            part = read_part(self.part, self.member)
        except ImageError:
            return self.member, self.part
        first = 1 if split_suffix(self.member)[1] in DICOM_SUFFIXES else None
        return self.member, first if part.number is None else part.number, part.axis, part.volume or 0


class Names:
    """Find a member by its path, its file name, or either without the suffix; `scan.dcm#12` is in `scan.dcm`."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.exact = set(paths)
        # A Mac writes \u00e9 as two characters where the table has one.
        self.by_form = {form: path for path in paths if (form := unicodedata.normalize("NFC", path)) != path}
        self.aliases: dict[str, str] = {}
        self.by_key: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            bare, suffix = split_suffix(path)
            for key in {basename(path), bare, basename(bare)} if suffix else {basename(path)}:
                self.by_key[unicodedata.normalize("NFC", key)].append(path)

    def match(self, sample_id: str) -> Match:
        """Return what an id leads to; a whole name goes before a part of a file."""
        found = self._match(sample_id)
        if found.member is not None or found.rivals:
            return found
        file, part = split_reference(sample_id)
        if not part:
            return found
        whole = self._match(file)
        return Match(whole.member, part if whole.member else "", whole.how, whole.rivals)

    def _match(self, sample_id: str) -> Match:
        if sample_id in self.aliases:
            return Match(self.aliases[sample_id])
        wanted = sample_id.replace("\\", "/").removeprefix("./").strip()
        if array := array_name(wanted):
            file = self._by_name(array.path)
            return file if file.member is None else Match(array.at(file.member), "", file.how)
        return self._by_name(wanted)

    def _by_name(self, wanted: str) -> Match:
        if wanted in self.exact:
            return Match(wanted)
        wanted = unicodedata.normalize("NFC", wanted)
        if wanted in self.exact or wanted in self.by_form:
            return Match(wanted if wanted in self.exact else self.by_form[wanted])
        # A table may give a longer path than we see (its root folder is not here), or another suffix.
        name = basename(wanted)
        bare, suffix = split_suffix(name)
        for key in (wanted, name, bare if suffix else ""):
            found = [path for path in self.by_key.get(key, []) if _same_place(path, wanted)]
            if len(found) > 1:
                return Match(None, rivals=tuple(sorted(found)))
            if found:
                return Match(found[0], how=_how(wanted, found[0]))
        return Match(None)


def _how(wanted: str, found: str) -> str:
    (bare, suffix), (path, own) = split_suffix(wanted), split_suffix(unicodedata.normalize("NFC", found))
    if suffix and own and suffix != own:
        return "with another suffix"
    if bare != path:
        return "by file name in another folder"
    return "" if suffix else "by name without suffix"


def _same_place(path: str, wanted: str) -> bool:
    """Tell whether two paths, suffixes apart, agree in all folders that both name.

    `study2/view1.jpg` must not stand in for an absent `study1/view1.jpg`.
    """
    folders, others = (unicodedata.normalize("NFC", split_suffix(p)[0]).split("/")[-2::-1] for p in (path, wanted))
    return all(a == b for a, b in zip(folders, others, strict=False))


class Named:
    """A source whose images are found by names in a table."""

    path: Path
    hides_names = False

    def members(self) -> list[str]:
        """Return the names of the images."""
        raise NotImplementedError

    @cached_property
    def _names(self) -> Names:
        return Names(self.members())

    def match(self, sample_id: str) -> Match:
        """Return the image that this name leads to, and how; also where it leads to none or to several."""
        return self._names.match(sample_id)

    def find(self, sample_id: str) -> str | None:
        """Return the member that holds this sample, None if there is none.

        Raises
        ------
        CohortError
            If the name fits several.
        """
        found = self.match(sample_id)
        if found.rivals:
            raise CohortError(
                f"The id {sample_id!r} fits several images in {self.path.name}: {', '.join(found.rivals[:3])}.",
                fix="name the file with its folder in the table, or remove the copies",
            )
        return found.member
