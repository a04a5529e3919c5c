"""Decode one image file to RGB pixels, safely: any common format, no surprise in contrast, no bomb."""

from __future__ import annotations

import io
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from everygroup.errors import ImageError
from everygroup.imaging._guard import decoder_guard
from everygroup.imaging._reference import header_name, read_part, split_reference
from everygroup.imaging.dicom import is_dicom, read_dicom
from everygroup.imaging.nifti import is_nifti, read_nifti
from everygroup.reading import Resize

RESIZE_POLICIES: tuple[str, ...] = get_args(Resize)
DEFAULT_MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 1 << 30

# Nothing else is tried, so a data folder cannot reach Pillow's rarer (and less tested) decoders.
_FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        WebPImagePlugin.WebPImageFile,
    )
)
_FIX = "replace or remove the file, or leave such rows out with --on-bad-image skip"
_OTHER_FORMATS = {
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file that holds no NIfTI volume",
    b"<": "a text or web page",
}


def read_image(
    source: bytes | Path | str,
    *,
    image_size: int | None = None,
    resize: Resize = "crop",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    name: str | None = None,
    part: str = "",
    header: bytes | None = None,
    fast_decode: bool = False,
) -> np.ndarray:
    """Decode an image file to RGB. What a file is, its first bytes tell, not its name.

    The EXIF orientation is applied, transparency is laid over white, greyscale and palettes become three channels,
    CMYK is converted. Sixteen-bit greyscale is divided by 257 (65535 becomes 255), one fixed scale for all images, so
    that no image's contrast depends on its own content; floating-point greyscale must lie in [0, 1]. DICOM files give
    one frame (`everygroup.imaging.dicom.read_dicom`), NIfTI and Analyze volumes one slice
    (`everygroup.imaging.nifti.read_nifti`); both need an extra package.

    Parameters
    ----------
    source : bytes, Path or str
        The encoded file, or its path, also like ``scan.dcm#12``. JPEG, PNG, TIFF, BMP, WebP, DICOM or NIfTI.
    image_size : int, optional
        Side of the square returned; the image's own size if not given.
    resize : {"crop", "pad", "stretch"}
        How a rectangle becomes a square; see `resize_image`.
    max_pixels : int
        Larger images are refused before they are decoded.
    name : str, optional
        What to call the image in messages; the path by default.
    part : str
        The frame (``"12"``) or slice (``"axis=2,index=40"``) that is meant; what follows `#` in a path.
    header : bytes, optional
        The header file of an Analyze or NIfTI pair; found beside a path.
    fast_decode : bool
        Let libjpeg decode a JPEG at 1/2, 1/4 or 1/8 of its size where that leaves at least twice `image_size`. Several
        times faster, with slightly other pixels; other formats are decoded as ever.

    Returns
    -------
    ndarray of uint8, (H, W, 3)

    Raises
    ------
    ImageError
        If the file is missing, empty, truncated, corrupt, too large, of several pages, or no image.
    SettingsError
        If the package for DICOM or NIfTI is not installed.
    """
    label = name or ("the image" if isinstance(source, bytes) else str(source))
    if isinstance(source, bytes):
        data = source
    else:
        path, part = _locate(Path(source), part)
        data, header = _read_bytes(path, label), _read_header(path, label) if header is None else header
    least = 2 * image_size if fast_decode and image_size is not None else None
    picture = decode(data, label, part=part, header=header, max_pixels=max_pixels, at_least=least)
    return np.asarray(picture if image_size is None else resize_image(picture, image_size, resize))


def decode(
    data: bytes,
    label: str,
    *,
    part: str = "",
    header: bytes | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    as_stored: bool = False,
    at_least: int | None = None,
) -> Image.Image:
    """Return the picture that a file holds, upright and in RGB; `as_stored`: with its own pixels, as masks need them.

    `at_least`: a JPEG may be decoded at a half, a quarter or an eighth, as long as its shorter side keeps this length.
    Parameters and errors are those of `read_image`; slices of DICOM files and volumes are always RGB.
    """
    if not data:
        raise ImageError(f"{label}: the file is empty (0 bytes).", fix=_FIX)
    with decoder_guard():
        volume = header is not None or is_nifti(data)
        if volume or is_dicom(data):
            which = read_part(part, label)
            return Image.fromarray(
                read_nifti(data, which, label, max_pixels, header)
                if volume
                else read_dicom(data, which, label, max_pixels)
            )
        if part:
            raise ImageError(f"{label}: holds one picture, of which #{part} is asked for.", fix="leave #... out")
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
                _refuse_unusual(opened, label, max_pixels)
                if at_least is not None:
                    opened.draft(None, (at_least, at_least))  # does nothing to other formats
                opened.load()
                upright = _upright(opened)
                return upright if as_stored else _to_rgb(upright, label, white_is_zero=_white_is_zero(opened))
        except UnidentifiedImageError:
            raise ImageError(f"{label}: {_what_it_is(data)}.", fix=_FIX) from None
        except (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, OverflowError) as error:
            # Pillow's decoders raise all of these on damaged files.
            raise ImageError(f"{label}: the image is damaged ({_reason(error)}).", fix=_FIX) from error
        except MemoryError:
            raise ImageError(f"{label}: the image does not fit into memory.", fix=_FIX) from None


def resize_image(
    image: Image.Image, size: int, policy: Resize = "crop", resample: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    """Make a square of `size` pixels, with Lanczos resampling unless another is asked for.

    "crop" takes the central square (side = the shorter side), "pad" keeps the whole picture on black, "stretch"
    changes the aspect ratio.
    """
    if policy not in RESIZE_POLICIES:
        raise ImageError(f"Unknown resize policy {policy!r}.", fix=f"use one of {', '.join(RESIZE_POLICIES)}")
    width, height = image.size
    if policy == "crop" and width != height:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if policy == "pad" and width != height:
        scale = size / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = Image.new(image.mode, (size, size))
        canvas.paste(image.resize(inner, resample), ((size - inner[0]) // 2, (size - inner[1]) // 2))
        return canvas
    return image if image.size == (size, size) else image.resize((size, size), resample)


def _locate(path: Path, part: str) -> tuple[Path, str]:
    """Split `scan.dcm#12` into file and part, unless a file is called so."""
    file, named = split_reference(path.name)
    return (path, part) if part or not named or path.exists() else (path.with_name(file), named)


def _read_header(path: Path, label: str) -> bytes | None:
    """Read the header that lies beside the voxels of a pair, None for any other file."""
    beside = header_name(path.name)
    return _read_bytes(path.with_name(beside), label) if beside and path.with_name(beside).exists() else None


def _read_bytes(path: Path, label: str) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(f"{label}: the file is larger than {MAX_FILE_BYTES >> 20} MiB.", fix=_FIX)
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{label}: there is no such file.", fix=_FIX) from None
    except OSError as error:
        raise ImageError(f"{label}: the file cannot be read ({error.strerror}).", fix=_FIX) from error


def _refuse_unusual(image: Image.Image, label: str, max_pixels: int) -> None:
    """Refuse, from the header alone, what is too large or is not one picture."""
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{label}: {width} x {height} pixels are more than the limit of {max_pixels / 1e6:g} megapixels.",
            fix="make the image smaller, or leave such rows out with --on-bad-image skip",
        )
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != "MPO":  # MPO is what many phones write: a JPEG with a preview behind it
        raise ImageError(f"{label}: holds {pages} pages or frames where one image is expected.", fix=_FIX)


def _upright(image: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF orientation says; damaged metadata leave it as it is."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the metadata are not the picture: whatever ails them, the pixels are good
        return image
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _white_is_zero(image: Image.Image) -> bool:
    """Tell whether a TIFF counts from white to black (PhotometricInterpretation 0)."""
    return getattr(image, "tag_v2", {}).get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0


def _to_rgb(image: Image.Image, label: str, *, white_is_zero: bool) -> Image.Image:
    """Convert any pixel type to eight-bit RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _from_integers(np.asarray(image), label, white_is_zero)  # of eight bits Pillow turns them itself
    if image.mode == "F":
        return _from_floats(np.asarray(image), label)
    if image.has_transparency_data:
        front = image.convert("RGBA")
        white = Image.new("RGBA", front.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, front).convert("RGB")
    return image.convert("RGB")


def _from_integers(pixels: np.ndarray, label: str, white_is_zero: bool) -> Image.Image:
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > 65535:
        raise ImageError(
            f"{label}: 32-bit pixels from {low} to {high}, whose scale is not known.",
            fix="convert the images to 8 or 16 bits with one window for all of them",
        )
    grey = (pixels.astype(np.uint32) + 128) // 257
    return _grey(255 - grey if white_is_zero else grey)


def _from_floats(pixels: np.ndarray, label: str) -> Image.Image:
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
        raise ImageError(
            f"{label}: floating-point pixels outside [0, 1], whose scale is not known.",
            fix="convert the images to 8 or 16 bits with one window for all of them",
        )
    return _grey(np.round(pixels * 255))


def _grey(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.astype(np.uint8)).convert("RGB")


def _what_it_is(data: bytes) -> str:
    for start, what in _OTHER_FORMATS.items():
        if data.lstrip()[: len(start)] == start:
            return f"this is {what}, not a JPEG, PNG, TIFF, BMP, WebP, DICOM or NIfTI image"
    return "not an image (JPEG, PNG, TIFF, BMP, WebP, DICOM or NIfTI), or its beginning is damaged"


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
