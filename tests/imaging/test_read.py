"""Reading one image: every format and pixel type, every defect."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from everygroup.errors import ImageError
from everygroup.imaging import read_image, resize_image


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(width: int = 12, height: int = 8, mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), 0 * x + 90], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_give_the_pixels_back(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    got = read_image(encode(picture(), kind, **options))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, np.asarray(picture()))


def test_jpeg_is_near() -> None:
    got = read_image(encode(picture(64, 48), "JPEG", quality=95, subsampling=0))
    assert np.abs(got.astype(int) - np.asarray(picture(64, 48)).astype(int)).mean() < 3


def test_phone_pictures_with_a_preview_are_read() -> None:
    stream = io.BytesIO()
    picture(64, 48).save(stream, "MPO", save_all=True, append_images=[picture(16, 12)])
    assert read_image(stream.getvalue()).shape == (48, 64, 3)


def test_path_and_bytes_agree(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture()))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), read_image(str(tmp_path / "a.png")))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_pixel_types_become_rgb(mode: str) -> None:
    image = picture(mode=mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    np.testing.assert_array_equal(read_image(encode(image, kind)), np.asarray(image.convert("RGB")))


def test_sixteen_bits_have_one_fixed_scale() -> None:
    values = np.array([[0, 128, 129, 257], [1000, 32896, 65534, 65535]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        got = read_image(encode(Image.fromarray(values), kind))
        expected = np.round(values / 257).astype(np.uint8)
        np.testing.assert_array_equal(got, np.repeat(expected[..., None], 3, axis=2))
    dark = read_image(encode(Image.fromarray(values // 16)))
    assert dark.max() == 16, "a dark image stays dark: no contrast of its own"


def test_sixteen_bit_rgb_is_read(tmp_path: Path) -> None:
    raw = b"".join(b"\0" + struct.pack(">3H", 0, 32768, 65535) for _ in range(1))
    got = read_image(_png(1, 1, raw, bit_depth=16, colour=2))
    np.testing.assert_array_equal(got, [[[0, 128, 255]]])


def _png(width: int, height: int, raw: bytes, *, bit_depth: int = 8, colour: int = 0) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">2I5B", width, height, bit_depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def test_float_pixels_in_the_unit_interval() -> None:
    values = np.array([[0.0, 0.5, 1.0]], dtype=np.float32)
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(values), "TIFF"))[0, :, 0], [0, 128, 255])


def test_transparency_lies_over_white() -> None:
    rgba = np.zeros((1, 3, 4), dtype=np.uint8)
    rgba[0, :, 3] = [0, 128, 255]
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(rgba)))[0, :, 0], [255, 127, 0])


def test_transparent_palette_and_colour_key() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putdata([0, 1])
    got = read_image(encode(palette, transparency=b"\x00\xff"))
    np.testing.assert_array_equal(got[0], [[255, 255, 255], [200, 100, 0]])
    keyed = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], dtype=np.uint8))
    got = read_image(encode(keyed, transparency=(1, 2, 3)))
    np.testing.assert_array_equal(got[0], [[255, 255, 255], [9, 9, 9]])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    upright = np.asarray(picture(5, 3))
    # What the camera stores for each orientation, by the standard's definition of the stored row 0 and column 0.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = read_image(encode(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif))
    np.testing.assert_array_equal(got, upright)


def test_nonsense_in_exif_does_not_harm_the_pixels() -> None:
    broken = encode(picture(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff garbage")
    assert read_image(broken).shape == (8, 12, 3)


def test_crop_takes_the_central_square() -> None:
    got = read_image(encode(picture(12, 8)), image_size=8)
    np.testing.assert_array_equal(got, np.asarray(picture(12, 8))[:, 2:10])


def test_pad_keeps_everything_on_black() -> None:
    got = read_image(encode(Image.new("RGB", (8, 4), "white")), image_size=8, resize="pad")
    assert (got[2:6] == 255).all()
    assert (got[:2] == 0).all()
    assert (got[6:] == 0).all()


def test_stretch_fills_the_square() -> None:
    got = read_image(encode(Image.new("RGB", (8, 4), "white")), image_size=8, resize="stretch")
    assert got.shape == (8, 8, 3)
    assert (got == 255).all()


def test_fast_decoding_leaves_twice_the_size_and_small_or_lossless_pictures_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y, x = np.mgrid[:256, :320]
    picture = Image.fromarray(np.stack([x * 0.7, y * 0.9, (x + y) * 0.4], 2).astype(np.uint8))
    seen: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def noted(self: Image.Image, *args: object, **more: object) -> Image.Image:
        seen.append(self.size)
        return resize(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", noted)
    jpeg = encode(picture, "JPEG")
    exact, fast = (read_image(jpeg, image_size=32, fast_decode=f) for f in (False, True))
    assert seen == [(256, 256), (64, 64)]  # the square of 256 at a quarter, no less than twice 32
    assert 0 < np.abs(exact.astype(int) - fast).max() <= 4
    for data, size in ((jpeg, 200), (encode(picture), 32)):
        np.testing.assert_array_equal(
            read_image(data, image_size=size, fast_decode=True), read_image(data, image_size=size)
        )


def test_unknown_policy() -> None:
    with pytest.raises(ImageError, match="Unknown resize policy 'zoom'"):
        resize_image(picture(), 4, "zoom")  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.sampled_from(["crop", "pad", "stretch"]))
def test_any_shape_becomes_a_square(width: int, height: int, size: int, policy: str) -> None:
    assert resize_image(picture(width, height), size, policy).size == (size, size)  # type: ignore[arg-type]


def _broken_png() -> bytes:
    good = bytearray(encode(picture(40, 40)))
    good[good.index(b"IDAT") + 12] ^= 0xFF
    return bytes(good)


def _pages() -> bytes:
    return encode(picture(), "TIFF", save_all=True, append_images=[picture()])


_FLOAT = Image.fromarray(np.array([[-900.0, 40.0]], dtype=np.float32))
_INT32 = Image.fromarray(np.array([[-5, 70000]], dtype=np.int32))
DEFECTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zero bytes": (lambda: b"", r"empty \(0 bytes\)"),
    "text": (lambda: b"not an image at all", "not an image"),
    "web page": (lambda: b"<!DOCTYPE html><html>404</html>", "a text or web page"),
    "gif": (lambda: encode(picture(), "GIF"), "this is a GIF"),
    "pdf": (lambda: b"%PDF-1.7 ...", "this is a PDF"),
    "dicom": (lambda: b"\0" * 128 + b"DICM" + b"\0" * 64, "DICOM file holds no pixels"),
    "truncated jpeg": (lambda: encode(picture(64, 64), "JPEG")[:400], "damaged .*[Tt]runcated"),
    "truncated png": (lambda: encode(picture(64, 64))[:90], "damaged"),
    "truncated tiff": (lambda: encode(picture(64, 64), "TIFF")[:300], "damaged|not an image"),
    "truncated webp": (lambda: encode(picture(64, 64), "WEBP")[:60], "damaged|not an image"),
    "truncated bmp": (lambda: encode(picture(64, 64), "BMP")[:200], "damaged"),
    "header only": (lambda: encode(picture(64, 64), "JPEG")[:4], "not an image|damaged"),
    "broken png": (_broken_png, "damaged"),
    "several pages": (_pages, "2 pages or frames"),
    "hounsfield floats": (lambda: encode(_FLOAT, "TIFF"), r"outside \[0, 1\]"),
    "32-bit integers": (lambda: encode(_INT32, "TIFF"), "32-bit pixels from -5 to 70000"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_gives_one_clear_error(defect: str) -> None:
    make, reason = DEFECTS[defect]
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(make(), name="scan_7.png")
    assert caught.value.message.startswith("scan_7.png: ")
    assert caught.value.fix


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)


def test_bombs_are_refused_before_decoding() -> None:
    bomb = _png(30_000, 30_000, b"")  # 900 megapixels in 70 bytes
    with pytest.raises(ImageError, match="30000 x 30000 pixels are more than the limit of 100 megapixels"):
        read_image(bomb)
    with pytest.raises(ImageError, match="more than the limit"):
        read_image(encode(picture(20, 20)), max_pixels=399)
    assert read_image(encode(picture(20, 20)), max_pixels=400).shape == (20, 20, 3)


def test_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everygroup.imaging.read.MAX_FILE_BYTES", 10)
    (tmp_path / "a.png").write_bytes(b"0" * 11)
    with pytest.raises(ImageError, match="larger than"):
        read_image(tmp_path / "a.png")


def test_memory_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("everygroup.imaging.read._upright", fail)
    with pytest.raises(ImageError, match="does not fit into memory"):
        read_image(encode(picture()))


def test_pillow_is_left_as_it_was() -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    data = encode(picture(100, 100))
    threads = [threading.Thread(target=lambda: [read_image(data) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(ImageError):
        read_image(b"nothing")
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "TIFF", "BMP", "WEBP"]))
def test_damaged_bytes_give_an_image_or_an_image_error(at: int, value: int, kind: str) -> None:
    data = bytearray(encode(picture(24, 20), kind))
    data[at % len(data)] = value
    try:
        assert read_image(bytes(data), image_size=8).shape == (8, 8, 3)
    except ImageError as error:
        assert error.message


@pytest.mark.parametrize("photometric", [0, 1])
def test_sixteen_bit_tiffs_that_count_from_white(photometric: int) -> None:
    pixels = np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16)
    data = encode(Image.fromarray(pixels), "TIFF", tiffinfo={262: photometric})
    expected = np.array([[0, 100], [200, 255]])
    np.testing.assert_array_equal(read_image(data)[..., 0], expected if photometric else 255 - expected)
