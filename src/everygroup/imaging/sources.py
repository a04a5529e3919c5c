"""Where images lie: a zip archive, a folder of files or an npz array, all asked for by sample id."""

from __future__ import annotations

import io
import os
import stat
import unicodedata
import zipfile
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from posixpath import basename
from typing import IO, Any

import numpy as np

from everygroup.console import warn
from everygroup.errors import CohortError, ImageError
from everygroup.files import hash_json
from everygroup.imaging._reference import DICOM_SUFFIXES, header_name, may_hide_dicom, split_reference, split_suffix
from everygroup.imaging.arrays import ARRAY_SUFFIXES, DAMAGED, array_as_png, array_name, file_of
from everygroup.imaging.dicom import MAGIC_AT, is_dicom
from everygroup.imaging.read import MAX_FILE_BYTES


class _Names:
    """Find a member by its path, its file name, or either without the suffix; `scan.dcm#12` is in `scan.dcm`."""

    def __init__(self, paths: Sequence[str], where: str) -> None:
        self.where = where
        self.exact = set(paths)
        # A Mac writes \u00e9 as two characters where the table has one.
        self.by_form = {form: path for path in paths if (form := unicodedata.normalize("NFC", path)) != path}
        self.aliases: dict[str, str] = {}
        self.by_key: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            bare, suffix = split_suffix(path)
            for key in {basename(path), bare, basename(bare)} if suffix else {basename(path)}:
                self.by_key[unicodedata.normalize("NFC", key)].append(path)

    def locate(self, sample_id: str) -> tuple[str | None, str]:
        if found := self._find(sample_id):
            return found, ""
        file, part = split_reference(sample_id)
        return (self._find(file), part) if part else (None, "")

    def _find(self, sample_id: str) -> str | None:
        if sample_id in self.aliases:
            return self.aliases[sample_id]
        wanted = sample_id.replace("\\", "/").removeprefix("./").strip()
        if array := array_name(wanted):
            file = self._by_name(array.path)
            return None if file is None else array.at(file)
        return self._by_name(wanted)

    def _by_name(self, wanted: str) -> str | None:
        if wanted in self.exact:
            return wanted
        wanted = unicodedata.normalize("NFC", wanted)
        if wanted in self.exact or wanted in self.by_form:
            return wanted if wanted in self.exact else self.by_form[wanted]
        # A table may give a longer path than we see (its root folder is not here), or another suffix.
        name = basename(wanted)
        bare, suffix = split_suffix(name)
        for key in (wanted, name, bare if suffix else ""):
            found = [path for path in self.by_key.get(key, []) if _same_place(path, wanted)]
            if len(found) > 1:
                raise CohortError(
                    f"The id {wanted!r} fits several images in {self.where}: {', '.join(sorted(found)[:3])}.",
                    fix="name the file with its folder in the table, or remove the copies",
                )
            if found:
                return found[0]
        return None


def _same_place(path: str, wanted: str) -> bool:
    """Tell whether two paths, suffixes apart, agree in all folders that both name.

    `study2/view1.jpg` must not stand in for an absent `study1/view1.jpg`.
    """
    folders, others = (unicodedata.normalize("NFC", split_suffix(p)[0]).split("/")[-2::-1] for p in (path, wanted))
    return all(a == b for a, b in zip(folders, others, strict=False))


class _Files(ABC):
    """What a zip archive and a folder have in common: members that are files, found by name."""

    path: Path
    hides_names = False
    _names: _Names

    def find(self, sample_id: str) -> str | None:
        """Return the member that holds this sample, None if there is none."""
        return self.locate(sample_id)[0]

    def locate(self, sample_id: str) -> tuple[str | None, str]:
        """Return the member that holds this sample, and which part of it is meant ("12" for `scan.dcm#12`)."""
        return self._names.locate(sample_id)

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
        self._names = _Names(list(self._info), path.name)

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
        self._names = _Names(list(self._stat), f"{path.name or path}/")

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


class NpzImages:
    """Decoded images in an npz archive: `images` uint8 (N, H, W, 3), (N, H, W, 1) or (N, H, W), and `ids` (N,)."""

    kind = "npz"
    hides_names = False

    def __init__(self, path: Path) -> None:
        self.path = path
        fix = "save it with numpy.savez(file, images=uint8 array (N, S, S, 3), ids=array of N strings)"
        try:
            with path.open("rb") as handle:
                archive = np.load(handle, allow_pickle=False)
                if isinstance(archive, np.ndarray):
                    raise CohortError(f"{path}: a single array, not an npz archive.", fix=fix)
                if lacking := [key for key in ("images", "ids") if key not in archive.files]:
                    raise CohortError(
                        f"{path}: lacks {' and '.join(lacking)}; it holds {', '.join(archive.files) or 'nothing'}.",
                        fix=fix,
                    )
                self.ids = archive["ids"].astype(str)
            self.shape, dtype, ordered = self._header()
        except CohortError:
            raise
        except DAMAGED as error:
            if isinstance(error, ValueError) and "pickle" in str(error).lower():
                raise CohortError(
                    f"{path}: holds Python objects (pickles), which can run code when read.", fix=fix
                ) from error
            raise CohortError(f"{path}: cannot be read as an npz archive ({error}).", fix=fix) from error
        good = dtype == np.uint8 and ordered and len(self.shape) in (3, 4)
        if not good or (len(self.shape) == 4 and self.shape[3] not in (1, 3)):
            raise CohortError(f"{path}: images are {dtype} of shape {self.shape}.", fix=fix)
        if self.ids.ndim != 1 or len(self.ids) != self.shape[0]:
            raise CohortError(f"{path}: {self.shape[0]} images but {self.ids.size} ids.", fix=fix)
        self._position = {str(i): k for k, i in enumerate(self.ids)}
        if len(self._position) < len(self.ids):
            raise CohortError(f"{path}: the ids are not unique.", fix="give every image its own id")

    @property
    def image_size(self) -> int | None:
        """Side of the images, None if they are not square."""
        return int(self.shape[1]) if self.shape[1] == self.shape[2] else None

    def _header(self) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
        with zipfile.ZipFile(self.path) as archive, archive.open("images.npy") as stream:
            return read_header(stream)

    def members(self) -> list[str]:
        """Return the ids of the images."""
        return list(self._position)

    def find(self, sample_id: str) -> str | None:
        """Return the id under which this sample is stored, None if it is not."""
        at = self.position(sample_id)
        return None if at is None else str(self.ids[at])

    def position(self, sample_id: str) -> int | None:
        """Return the index of a sample's image, by id or by id without the suffix."""
        stem, suffix = split_suffix(sample_id)
        stem = basename(stem) if suffix else sample_id
        return self._position.get(sample_id, self._position.get(stem))

    def chunks(self, size: int = 1024) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first index, images (b, H, W, 3)) without holding the whole array in memory."""
        yield from self._blocks("images.npy", self.shape[0], size)

    def _blocks(self, member: str, n_images: int, size: int) -> Iterator[tuple[int, np.ndarray]]:
        per_image = int(np.prod(self.shape[1:]))
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as stream:
                read_header(stream)
                for start in range(0, n_images, size):
                    n = min(size, n_images - start)
                    data = stream.read(n * per_image)
                    if len(data) < n * per_image:
                        raise EOFError("the array ends too early")
                    block = np.frombuffer(data, np.uint8).reshape(n, *self.shape[1:])
                    block = block[..., None] if block.ndim == 3 else block
                    yield start, np.broadcast_to(block, (*block.shape[:3], 3))
        except DAMAGED as error:
            raise CohortError(f"{self.path}: is damaged ({error}).", fix="copy or download the file again") from error

    @cached_property
    def fingerprint(self) -> str:
        """Hash the archive's directory: names, sizes and checksums."""
        with zipfile.ZipFile(self.path) as archive:
            return hash_json(sorted((i.filename, i.file_size, i.CRC) for i in archive.infolist()))


def read_header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return shape, type and whether the order is C of the array that a stream of .npy begins with."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return shape, dtype, not fortran


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
        from everygroup.imaging.parts import NpzParts, has_parts

        return NpzParts(path) if has_parts(path) else NpzImages(path)
    if path.suffix.lower() == ".zip":
        return ZipImages(path)
    raise CohortError(f"{path}: images are read from a folder, a .zip or an .npz file.", fix="check --images")
