"""Where images lie: a zip archive, a folder of files or an npz array, all asked for by the names in a table."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from posixpath import basename
from typing import IO

from everygroup.console import warn
from everygroup.errors import CohortError, ImageError
from everygroup.files import hash_json
from everygroup.imaging._reference import DICOM_SUFFIXES, header_name, may_hide_dicom, split_suffix
from everygroup.imaging.arrays import ARRAY_SUFFIXES, DAMAGED, array_as_png, array_name, file_of
from everygroup.imaging.dicom import MAGIC_AT, is_dicom
from everygroup.imaging.names import Named, Names
from everygroup.imaging.npz import NpzImages
from everygroup.imaging.parts import NpzParts, has_parts
from everygroup.imaging.read import MAX_FILE_BYTES


class _Files(Named, ABC):
    """What a zip archive and a folder have in common: members that are files, found by name."""

    def also_called(self, aliases: Mapping[str, str], *, hide_names: bool) -> None:
        """Let ids that are no file names find their member; `hide_names` keeps file names out of messages."""
        self._names.aliases.update(aliases)
        self.hides_names = hide_names

    def members(self) -> list[str]:
        """Return the members that are images, by their suffix or, where they have none, as DICOM; else arrays."""
        return self._members

    def dicom_members(self) -> list[str]:
        """Return the members that are DICOM files by name or, where that says nothing, by their first bytes."""
        return [m for m in self._members if split_suffix(m)[1] in DICOM_SUFFIXES or not split_suffix(m)[1]]

    @cached_property
    def _members(self) -> list[str]:
        files = [m for m in self._all() if split_suffix(m)[1] or (may_hide_dicom(m) and self._begins_as_dicom(m))]
        return files or [m for m in self._all() if _is_array(m)]

    def _begins_as_dicom(self, member: str) -> bool:
        try:
            with self.open(member) as stream:
                return is_dicom(stream.read(MAGIC_AT + 4))
        except (ImageError, *DAMAGED):
            return False

    def header(self, member: str) -> bytes | None:
        """Return the header file of an Analyze or NIfTI pair, None for any other member."""
        beside = header_name(member)
        return self.read(beside) if beside in self._names.exact else None

    def stamp(self, sample_ids: Sequence[str]) -> str:
        """Hash what tells a change of these samples' files and is not in `fingerprint`; "" where all is in it."""
        return ""

    @abstractmethod
    def _all(self) -> list[str]: ...

    @abstractmethod
    def open(self, member: str) -> IO[bytes]:
        """Open a member, to read its beginning only."""

    @abstractmethod
    def read(self, member: str) -> bytes:
        """Return a member's bytes."""


def _is_array(name: str) -> bool:
    """Tell whether a file may hold images as arrays; images*.npz is an archive of all of them."""
    return name.lower().endswith(ARRAY_SUFFIXES) and not basename(name).startswith("images")


def _hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


class ZipImages(_Files):
    """Images in a zip archive."""

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGED as error:
            raise CohortError(
                f"{path}: cannot be opened as a zip archive ({error}).", fix="copy or download the archive again"
            ) from error
        self._info = {i.filename: i for i in self._zip.infolist() if not i.is_dir() and not _hidden(i.filename)}
        self._names = Names(list(self._info))

    def _all(self) -> list[str]:
        return list(self._info)

    def open(self, member: str) -> IO[bytes]:
        """Open a member, to read its beginning only."""
        try:
            return self._zip.open(member)
        except DAMAGED as error:
            raise ImageError(f"{member}: cannot be unpacked ({error}).", fix="make the archive again") from error

    def read(self, member: str) -> bytes:
        """Return a member's bytes, or those of a picture of an array; safe from several threads."""
        if (array := array_name(member)) is not None:
            return array_as_png(io.BytesIO(self._bytes(array.path)), array, label=member)
        return self._bytes(member)

    def _bytes(self, member: str) -> bytes:
        if self._info[member].file_size > MAX_FILE_BYTES:
            raise ImageError(f"{member}: unpacks to more than {MAX_FILE_BYTES >> 20} MiB.")
        try:
            return self._zip.read(member)
        except DAMAGED as error:
            raise ImageError(f"{member}: cannot be unpacked ({error}).", fix="make the archive again") from error

    @cached_property
    def fingerprint(self) -> str:
        """Hash the archive's directory: names, sizes and checksums."""
        return hash_json(sorted((i.filename, i.file_size, i.CRC) for i in self._info.values()))


class FolderImages(_Files):
    """Image files in a folder and the folders below it."""

    kind = "files"

    def __init__(self, path: Path) -> None:
        self.path = path
        linked: list[str] = []
        self._stat = dict(_walk(path, "", linked))
        if linked:
            warn(
                f"{path}: linked folders are not looked into ({', '.join(linked[:3])}"
                f"{', ...' if len(linked) > 3 else ''}); put the folders themselves there if they hold images."
            )
        self._names = Names(list(self._stat))

    def _all(self) -> list[str]:
        return list(self._stat)

    def open(self, member: str) -> IO[bytes]:
        """Open a file, to read its beginning only."""
        try:
            return (self.path / member).open("rb")
        except OSError as error:
            raise ImageError(f"{member}: the file cannot be read ({error.strerror}).") from error

    def read(self, member: str) -> bytes:
        """Return a file's bytes, or those of a picture of an array."""
        if (array := array_name(member)) is not None:
            return array_as_png(self.path / array.path, array, label=member)
        try:
            if self._stat[member][0] > MAX_FILE_BYTES:
                raise ImageError(f"{member}: the file is larger than {MAX_FILE_BYTES >> 20} MiB.")
            return (self.path / member).read_bytes()
        except OSError as error:
            raise ImageError(f"{member}: the file cannot be read ({error.strerror}).") from error

    @cached_property
    def fingerprint(self) -> str:
        """Hash names, sizes and modification times of the image and array files."""
        return hash_json(sorted((m, *self._stat[m]) for m in self._known()))

    def _known(self) -> set[str]:
        return {*self.members(), *(m for m in self._stat if _is_array(m))}

    def stamp(self, sample_ids: Sequence[str]) -> str:
        """Hash sizes and times of what these rows name without its being known as an image: scan.jfif, scan.hdr."""
        named = {file_of(member) for i in sample_ids if (member := self.find(i)) is not None}
        headers = {beside for m in named if (beside := header_name(m)) in self._names.exact and beside is not None}
        others = (named | headers) - self._known()
        return hash_json(sorted((m, *self._stat[m]) for m in others)) if others else ""


def _walk(root: Path, below: str, linked: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield (relative path, (size, mtime)) of regular files; linked folders are listed and not followed."""
    try:
        entries = sorted(os.scandir(root / below), key=lambda e: e.name)
    except OSError as error:
        raise CohortError(f"{root / below}: cannot be listed ({error.strerror}).") from error
    for entry in entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if _hidden(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, name, linked)
            continue
        try:
            info = entry.stat()
        except OSError:  # a dangling link: it is found as "no image" when its row is asked for
            continue
        if stat.S_ISREG(info.st_mode):
            yield name, (info.st_size, info.st_mtime_ns)
        elif stat.S_ISDIR(info.st_mode):
            linked.append(name)


ImageSource = ZipImages | FolderImages | NpzImages


def open_source(path: Path | str) -> ImageSource:
    """Open a zip archive, an npz archive or a folder of images.

    Raises
    ------
    CohortError
        If there is no such thing, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        return FolderImages(path)
    if not path.exists():
        raise CohortError(f"{path}: there is no such file or folder.", fix="check the path given to --images")
    if path.suffix.lower() == ".npz":
        return NpzParts(path) if has_parts(path) else NpzImages(path)
    if path.suffix.lower() == ".zip":
        return ZipImages(path)
    raise CohortError(f"{path}: images are read from a folder, a .zip or an .npz file.", fix="check --images")
