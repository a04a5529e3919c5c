"""Which file, of all those below a raw folder, is the image of a row."""

from __future__ import annotations

import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from posixpath import basename

from everygroup.cohort.groups import natural_key
from everygroup.errors import CohortError
from everygroup.imaging.arrays import DAMAGED


def walk(folder: Path) -> Iterator[str]:
    """Yield the files below a folder as relative posix paths, hidden ones left out, folder by folder in order."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        below = Path(place).relative_to(folder)
        for name in sorted(files):
            if not name.startswith("."):
                yield (below / name).as_posix()


def locate(folder: Path, names: Sequence[str], *, prefer: Iterable[str] = ()) -> tuple[Path, list[str]]:
    """Find the image of every row by its file name.

    Parameters
    ----------
    folder : Path
        Raw folder; files may lie anywhere below it, or in a zip archive in it if none lies about loose.
    names : sequence of str
        File names as the table has them, without folders.
    prefer : iterable of str
        Folders to prefer where several files have the same name, the best one first (copies and masks often share
        the name of the picture).

    Returns
    -------
    images : Path
        The folder, or the zip archive.
    files : list of str
        Path of each image in `images`; the bare name where there is none.

    Raises
    ------
    CohortError
        If several files fit a name and no preference decides.
    """
    wanted, order = set(names), list(prefer)
    found = _index(walk(folder), wanted)
    images = folder
    if not found:
        for archive in sorted(folder.glob("*.zip")):
            if inside := _index(_members(archive), wanted):
                images, found = archive, inside
                break
    return images, [_choose(name, found.get(name, [name]), order, images) for name in names]


def _index(paths: Iterable[str], wanted: set[str]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for path in paths:
        if basename(path) in wanted:
            found[basename(path)].append(path)
    return dict(found)


def _members(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return [i.filename for i in opened.infolist() if not i.is_dir() and "__MACOSX" not in i.filename]
    except DAMAGED as error:
        raise CohortError(
            f"{archive}: cannot be opened as a zip archive ({error}).", fix="copy or download the archive again"
        ) from error


def _choose(name: str, paths: list[str], prefer: list[str], where: Path) -> str:
    for place in prefer if len(paths) > 1 else ():
        if fitting := [p for p in paths if f"/{place}/" in f"/{p}"]:
            paths = fitting
            break
    if len(paths) > 1:
        raise CohortError(
            f"{where}: {len(paths)} files are called {name}: {', '.join(paths[:3])}.",
            fix="give the folder that holds one copy of the images",
        )
    return paths[0]


def middle(paths: Iterable[str]) -> str:
    """Return the middle one of several slices, in the order of the numbers in their names."""
    ordered = sorted(paths, key=natural_key)
    return ordered[len(ordered) // 2]


def files_by_id(folder: Path, pattern: re.Pattern[str], kinds: Sequence[re.Pattern[str]]) -> dict[str, list[str]]:
    """Return, by the id in their paths, the files of the best kind there is for each id.

    Parameters
    ----------
    folder : Path
        Raw folder; files may lie anywhere below it.
    pattern : re.Pattern
        Finds the id in a relative path; its last group 1 counts.
    kinds : sequence of re.Pattern
        What a file may be, the best first; files of no kind are left aside.
    """
    best: dict[str, tuple[int, list[str]]] = {}
    for path in walk(folder):
        ids = pattern.findall(path)
        kind = next((k for k, like in enumerate(kinds) if like.search(path)), None)
        if not ids or kind is None:
            continue
        held = best.get(ids[-1])
        if held is None or kind < held[0]:
            best[ids[-1]] = (kind, [path])
        elif kind == held[0]:
            held[1].append(path)
    return {name: files for name, (_, files) in best.items()}
