"""Decode a cohort's images once, in parallel, into one memory map; later runs open it in a blink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import __version__ as pillow_version

from everygroup.console import warn
from everygroup.errors import CohortError, ImageError, OutputError, SettingsError
from everygroup.files import atomic_path, hash_array, hash_json, read_json, write_json
from everygroup.imaging._fill import BadImage, StoreSettings, copy_array, decode_files, read_one
from everygroup.imaging._store import GrowingArray, locked, require_space, writing
from everygroup.imaging.npz import NpzImages
from everygroup.imaging.read import DEFAULT_MAX_PIXELS, RESIZE_POLICIES
from everygroup.imaging.runs import RunLengths
from everygroup.imaging.sources import ImageSource
from everygroup.mapped import pieces, write_npy
from everygroup.reading import OnBadImage, Resize

SCHEMA = 1
RECORD = "cohort.json"
ARRAY = "images.npy"
BAD_IMAGES = "bad_images.csv"

_NAMED = 10  # bad images named in a message


@dataclass(frozen=True)
class PreparedImages:
    """A prepared image store.

    Attributes
    ----------
    images : memmap of uint8, (n kept, S, S, 3) or (n kept, S, S, S, 1), or of masks without the last
        Read-only.
    bad : tuple of BadImage
        The samples that were asked for but left out.
    record : dict
        The "images" part of cohort.json: sizes, policy, hashes, source.
    folder : Path
        Where it lies.
    """

    images: np.ndarray
    bad: tuple[BadImage, ...]
    record: dict[str, Any]
    folder: Path

    @property
    def content_hash(self) -> str:
        """Hash of the pixels, computed when they were prepared."""
        return str(self.record["content_hash"])


def store_key(
    source: ImageSource | RunLengths,
    ids: Sequence[str],
    *,
    image_size: int,
    resize: Resize = "crop",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    volumes: bool = False,
    fast_decode: bool = False,
    as_mask: bool = False,
) -> str:
    """Return what identifies a prepared store: the source's directory, the ids in order, and the settings."""
    settings = _settings(image_size, resize, max_pixels, volumes, fast_decode and not as_mask)
    content = [SCHEMA, source.kind, source.fingerprint, hash_array(np.asarray(ids, dtype=object)), settings]
    stamp = "" if isinstance(source, NpzImages) else source.stamp(ids)
    return hash_json([*content, *([stamp] if stamp else []), *(["mask"] if as_mask else [])])


def prepare_images(
    source: ImageSource | RunLengths,
    ids: Sequence[str],
    folder: Path,
    *,
    image_size: int,
    resize: Resize = "crop",
    on_bad_image: OnBadImage = "error",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    workers: int | None = None,
    rows: Sequence[int] | None = None,
    overwrite: bool = False,
    volumes: bool = False,
    fast_decode: bool = False,
    as_mask: bool = False,
) -> PreparedImages:
    """Decode the images of these samples into `folder`, or open them if that has been done.

    What is there already is recognised by the source's directory (names, sizes, times or checksums), the ids and the
    settings; no image is read for that. A killed run goes on where it stopped. Threads, because Pillow decodes without
    the interpreter lock. What `overwrite` replaces stays whole until all of the new images are decoded. Images that
    could not be read for want of a permission, of memory or of a sound disk are tried again the next time.

    Parameters
    ----------
    source : ZipImages, FolderImages or NpzImages
        From `open_source`; or the `RunLengths` of masks.
    ids : sequence of str
        Samples, in the order wanted.
    image_size : int
        Side of the squares stored.
    on_bad_image : {"error", "skip"}
        "error" names the bad images and stops; "skip" leaves them out, counts them aloud and lists them in
        ``bad_images.csv``.
    workers : int, optional
        Threads; one a processor by default.
    rows : sequence of int, optional
        Row of each sample in the user's file, for messages (2, 3, ... by default).
    overwrite : bool
        Replace images prepared from something else in the same folder.
    volumes : bool
        Whether files are read as whole volumes (`everygroup.imaging.volumes.read_volume`), stored as (S, S, S, 1).
    fast_decode : bool
        Whether JPEGs much larger than `image_size` are decoded at a fraction of their size (see `read_image`). The
        pixels differ, and so do key and record. Masks are always decoded whole.
    as_mask : bool
        Whether these are masks (`everygroup.imaging.masks.read_mask`): stored as (S, S) or (S, S, S), their largest
        value noted.

    Returns
    -------
    PreparedImages
        ``images[k]`` belongs to the k-th id that is not in ``bad``.

    Raises
    ------
    ImageError
        For bad images (with on_bad_image="error").
    OutputError
        If the folder cannot be written, is full, or holds something else.
    """
    _check_options(image_size, resize, on_bad_image)
    folder = Path(folder)
    ids = [str(i) for i in ids]
    rows = list(range(2, len(ids) + 2)) if rows is None else list(rows)
    settings = _settings(image_size, resize, max_pixels, volumes, fast_decode and not as_mask)
    key = store_key(source, ids, **settings, as_mask=as_mask)
    shape = (image_size,) * (3 if volumes else 2) + (() if as_mask else (1 if volumes else 3,))
    what = "masks" if as_mask else "volumes"
    if (as_mask or volumes) and isinstance(source, NpzImages):
        raise ImageError(
            f"{source.path.name}: {what} are not read from an archive of images.", fix="give them as files"
        )
    if volumes and isinstance(source, RunLengths):
        raise ImageError("Masks of volumes are not read from run lengths.", fix="give them as NIfTI files")
    if (done := _done_before(folder, key, source, settings, overwrite=True, as_mask=as_mask)) is not None:
        return _accept(done, on_bad_image, len(ids))  # without a lock: the folder may be read-only
    with locked(folder):
        if (done := _done_before(folder, key, source, settings, overwrite=overwrite, as_mask=as_mask)) is not None:
            return _accept(done, on_bad_image, len(ids))
        require_space(folder, len(ids) * int(np.prod(shape)))
        with GrowingArray(folder, key, len(ids), shape) as store:
            if not isinstance(source, NpzImages):
                decode_files(source, ids, rows, store, settings, on_bad_image, workers, as_mask=as_mask)
            elif store.done < len(ids):
                copy_array(source, ids, rows, store, image_size, resize)
            bad = tuple(BadImage(**note) for note in store.notes)
            if bad and on_bad_image == "error":
                raise _bad_image_error(bad, len(ids), _write_bad(bad, folder), stopped=store.done < len(ids))
            if not store.kept:
                raise ImageError(f"None of the {len(ids)} images can be used. {_listed(bad)}", fix="check --images")
            unnamed = store.finish()
            content_hash = hash_array(np.load(unnamed, mmap_mode="r", allow_pickle=False))
            with writing(folder):
                (folder / RECORD).unlink(missing_ok=True)
                unnamed.replace(folder / ARRAY)
            images = np.load(folder / ARRAY, mmap_mode="r", allow_pickle=False)
            record = {
                "key": key,
                "n": len(images),
                "shape": list(images.shape[1:]),
                **settings,
                "content_hash": content_hash,
                "source": {"kind": source.kind, "name": source.path.name, "fingerprint": source.fingerprint},
                "pillow": pillow_version,
                "bad": [asdict(b) for b in bad],
                **({"largest": int(images.max(initial=0))} if as_mask else {}),
            }
            write_json(folder / RECORD, {"schema": SCHEMA, "images": record})
            if bad:
                _write_bad(bad, folder)
            else:
                (folder / BAD_IMAGES).unlink(missing_ok=True)  # an earlier list
            store.forget()
        return _accept(PreparedImages(images, bad, record, folder), on_bad_image, len(ids))


def _settings(image_size: int, resize: Resize, max_pixels: int, volumes: bool, fast_decode: bool) -> StoreSettings:
    settings = StoreSettings(image_size=image_size, resize=resize, max_pixels=max_pixels)
    if volumes:
        settings["volumes"] = True
    if fast_decode:
        settings["fast_decode"] = True
    return settings


def store_array(array: np.ndarray, folder: Path, *, key: str, image_size: int) -> dict[str, Any]:
    """Write images (n, S, S, C), masks (n, S, S) or vectors (n, D) as a prepared store.

    What is there under another key is replaced. Returns the content of its record, ``cohort.json``.

    Raises
    ------
    OutputError
        If the folder cannot be written, or is full.
    """
    with locked(folder):
        (folder / RECORD).unlink(missing_ok=True)  # never a record of other images, should this be stopped
        with atomic_path(folder / ARRAY) as temporary:
            write_npy(temporary, pieces(array), shape=array.shape, dtype=array.dtype)
        record = {
            "key": key,
            "n": len(array),
            "shape": list(array.shape[1:]),
            "image_size": image_size,
            "resize": "crop",
            "content_hash": hash_array(array),
            "bad": [],
            **({"largest": int(array.max(initial=0))} if array.ndim == 3 else {}),
        }
        content: dict[str, Any] = {"schema": SCHEMA, "images": record}
        write_json(folder / RECORD, content)
    return content


def _done_before(
    folder: Path, key: str, source: ImageSource | RunLengths, settings: StoreSettings, *, overwrite: bool, as_mask: bool
) -> PreparedImages | None:
    """Return what was prepared there under this key; None if there is nothing, or it is to be made again."""
    if not (folder / RECORD).exists():
        return None
    prepared = open_prepared(folder)
    if prepared.record["key"] != key:
        if overwrite:
            return None
        raise OutputError(
            f"{folder} holds images prepared from another source or with other settings.",
            fix="choose another folder, or give --overwrite",
        )
    if isinstance(source, NpzImages):
        return prepared
    readable = any(
        not isinstance(read_one(source, b.id, b.row, settings, as_mask=as_mask), BadImage)
        for b in prepared.bad
        if b.again
    )
    return None if readable else prepared


def open_prepared(folder: Path | str) -> PreparedImages:
    """Open a prepared image store read-only, checking that it is whole.

    Raises
    ------
    CohortError
        If it is damaged or from a newer version.
    """
    folder = Path(folder)
    fix = "remove the folder and prepare it again"
    try:
        content = read_json(folder / RECORD)
        schema, record = content["schema"], content["images"]
        if schema != SCHEMA:
            raise CohortError(
                f"{folder}: written in format {schema}, this version reads format {SCHEMA}.", fix="update everygroup"
            )
        images = np.load(folder / ARRAY, mmap_mode="r", allow_pickle=False)
        bad = tuple(BadImage(**b) for b in record["bad"])
        kinds = (np.uint8,) if images.ndim > 2 else (np.float16, np.float32)  # pictures; vectors
        whole = images.dtype in kinds and images.shape == (record["n"], *record["shape"])
        str(record["key"] + record["content_hash"])
    except CohortError:
        raise
    except OSError as error:
        raise CohortError(f"{folder}: cannot be opened ({error}).", fix=fix) from error
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise CohortError(f"{folder}: the prepared cohort is damaged ({error}).", fix=fix) from error
    if not whole:
        raise CohortError(f"{folder}: {ARRAY} does not fit {RECORD}.", fix=fix)
    return PreparedImages(images, bad, record, folder)


def _check_options(image_size: int, resize: str, on_bad_image: str) -> None:
    if not 1 <= image_size <= 8192:
        raise SettingsError(f"The image size {image_size} is impossible.", fix="choose between 1 and 8192 pixels")
    if resize not in RESIZE_POLICIES:
        raise SettingsError(f"Unknown resize policy {resize!r}.", fix=f"use one of {', '.join(RESIZE_POLICIES)}")
    if on_bad_image not in ("error", "skip"):
        raise SettingsError(f"on_bad_image is {on_bad_image!r}.", fix="use error or skip")


def _accept(prepared: PreparedImages, on_bad_image: str, n: int) -> PreparedImages:
    """Return the images if the bad ones may be left out; say how many were."""
    if not prepared.bad:
        return prepared
    if on_bad_image == "error":
        raise _bad_image_error(prepared.bad, n, prepared.folder / BAD_IMAGES, stopped=False)
    warn(
        f"{len(prepared.bad)} of {n} images ({len(prepared.bad) / n:.1%}) cannot be used and are left out; "
        f"{prepared.folder / BAD_IMAGES} lists them. Check that they are not more frequent in one group."
    )
    return prepared


def _bad_image_error(bad: Sequence[BadImage], n: int, path: Path, *, stopped: bool) -> ImageError:
    count = f"{len(bad)} images (where reading stopped)" if stopped else f"{len(bad)} of {n} images"
    return ImageError(
        f"{count} cannot be used:\n{_listed(bad)}",
        fix=f"mend them, or leave them out with --on-bad-image skip; {path} lists them all",
    )


def _listed(bad: Sequence[BadImage]) -> str:
    lines = [
        f"  row {b.row}, id {b.id}" + (f", file {b.file}" if b.file else "") + f": {b.reason}" for b in bad[:_NAMED]
    ]
    return "\n".join([*lines, f"  ... and {len(bad) - _NAMED} more"] if len(bad) > _NAMED else lines)


def _write_bad(bad: Sequence[BadImage], folder: Path) -> Path:
    path = folder / BAD_IMAGES
    with atomic_path(path) as temporary:
        pd.DataFrame([asdict(b) for b in bad], columns=["id", "row", "file", "reason"]).to_csv(temporary, index=False)
    return path
