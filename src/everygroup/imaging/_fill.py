"""Fill an image store: decode files in parallel, or copy a decoded array, in the order of the samples."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
from PIL import Image

from everygroup.console import progress, say
from everygroup.errors import ImageError
from everygroup.imaging._guard import decoder_guard
from everygroup.imaging._store import GrowingArray
from everygroup.imaging.masks import read_mask
from everygroup.imaging.npz import NpzImages
from everygroup.imaging.read import read_image, resize_image
from everygroup.imaging.runs import RunLengths
from everygroup.imaging.sources import FolderImages, ZipImages
from everygroup.imaging.volumes import read_volume
from everygroup.reading import Resize

_TASK = 16  # images a worker takes at once
_COMMIT = 128  # images between two points from which a killed run goes on
_GIVE_UP = 100  # bad images after which on_bad_image="error" stops looking


@dataclass(frozen=True)
class BadImage:
    """A row whose image cannot be used: its id, row in the table (the header is row 1), file and reason.

    `again`: the computer failed and not the image (no permission, a broken disk, too little memory), so that a later
    run has to look again.
    """

    id: str
    row: int
    file: str
    reason: str
    again: bool = False


class StoreSettings(TypedDict):
    """What decides the pixels stored."""

    image_size: int
    resize: Resize
    max_pixels: int
    volumes: NotRequired[Literal[True]]
    fast_decode: NotRequired[Literal[True]]


Encoded = ZipImages | FolderImages | RunLengths
_One = Callable[[int], "np.ndarray | BadImage"]


def read_one(
    source: Encoded, sample_id: str, row: int, settings: StoreSettings, *, as_mask: bool = False
) -> np.ndarray | BadImage:
    """Decode the image (or mask) of a sample, or say why it cannot be used."""
    found = source.match(sample_id)
    if (member := found.member) is None:
        holds = "several images" if found.rivals else "no image"
        return BadImage(sample_id, row, "", f"{source.path.name} holds {holds} of this name")
    file = "" if source.hides_names else member
    label = file or sample_id
    try:
        return _decode(source.read(member), settings, as_mask, label, found.part, source.header(member))
    except ImageError as error:
        reason = error.message.removeprefix(f"{member}: ").removeprefix(f"{label}: ")
        return BadImage(sample_id, row, file, reason, again=_may_pass(error))


def _decode(
    data: bytes, settings: StoreSettings, as_mask: bool, name: str, part: str, header: bytes | None
) -> np.ndarray:
    size, resize, limit = settings["image_size"], settings["resize"], settings["max_pixels"]
    named: dict[str, Any] = {"name": name, "part": part, "header": header}
    if settings.get("volumes"):
        return read_volume(data, image_size=size, resize=resize, max_pixels=limit, as_mask=as_mask, **named)
    if as_mask:
        return read_mask(data, image_size=size, resize=resize, max_pixels=limit, **named)
    fast = settings.get("fast_decode", False)
    return read_image(data, image_size=size, resize=resize, max_pixels=limit, fast_decode=fast, **named)


def _may_pass(error: BaseException) -> bool:
    """Tell whether the system refused or memory ran out; decoders raise OSErrors of their own, which have no number."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno is not None):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def decode_files(
    source: Encoded,
    ids: Sequence[str],
    rows: Sequence[int],
    store: GrowingArray,
    settings: StoreSettings,
    on_bad_image: str,
    workers: int | None,
    *,
    as_mask: bool = False,
) -> None:
    """Decode in parallel, write in order, note what is bad."""

    def one(index: int) -> np.ndarray | BadImage:
        return read_one(source, ids[index], rows[index], settings, as_mask=as_mask)

    if store.done:
        say(f"Going on with an earlier run: {store.done} of {len(ids)} images are done.")
    notes: list[dict[str, Any]] = []
    seen, committed = store.done, store.done
    # The guard is taken once here, so that the worker threads do not switch it on and off a thousand times.
    what = "Reading masks" if as_mask else "Reading images"
    with decoder_guard(), progress(len(ids), what, done=store.done) as advance:
        for results in _in_order(one, range(store.done, len(ids)), workers or _cpus()):
            good = [r for r in results if not isinstance(r, BadImage)]
            notes += [asdict(r) for r in results if isinstance(r, BadImage)]
            if good:
                store.append(np.stack(good))
            seen += len(results)
            advance(len(results))
            if seen - committed >= _COMMIT or seen == len(ids):
                store.commit(seen, notes)
                committed, notes = seen, []
                if on_bad_image == "error" and len(store.notes) >= _GIVE_UP:
                    return


def _each(one: _One, block: range) -> list[np.ndarray | BadImage]:
    return [one(i) for i in block]


def _in_order(one: _One, indices: range, workers: int) -> Iterator[list[np.ndarray | BadImage]]:
    """Run `one` over the indices in threads; yield results in order, with bounded memory.

    One worker is the caller itself: handing over between two threads costs a sixth of the time.
    """
    blocks = [indices[start : start + _TASK] for start in range(0, len(indices), _TASK)]
    if workers == 1:
        yield from (_each(one, block) for block in blocks)
        return
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="everygroup-read")
    waiting: deque[Future[list[np.ndarray | BadImage]]] = deque()
    try:
        for block in blocks:
            waiting.append(pool.submit(_each, one, block))
            if len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def copy_array(
    source: NpzImages, ids: Sequence[str], rows: Sequence[int], store: GrowingArray, image_size: int, resize: Resize
) -> None:
    """Copy decoded images into the store, in the order of the ids."""
    position = [source.position(i) for i in ids]
    reason = f"{source.path.name} holds no image of this name"
    notes = [asdict(BadImage(i, r, "", reason)) for i, r, p in zip(ids, rows, position, strict=True) if p is None]
    wanted = np.array([p for p in position if p is not None], dtype=np.int64)
    order = np.argsort(wanted, kind="stable")  # several rows may name one image
    for start, images in source.chunks():
        first, last = np.searchsorted(wanted[order], [start, start + len(images)])
        goal = order[first:last]
        if len(goal) == 0:
            continue
        block = images[wanted[goal] - start]
        if block.shape[1:3] != (image_size, image_size):
            block = np.stack([np.asarray(resize_image(Image.fromarray(b), image_size, resize)) for b in block])
        if np.array_equal(goal, np.arange(goal[0], goal[0] + len(goal))):
            store.put(int(goal[0]), block)
        else:
            for g, image in zip(goal, block, strict=True):
                store.put(int(g), image[None])
    store.commit(len(ids), notes)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
