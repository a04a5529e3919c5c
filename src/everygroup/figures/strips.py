"""A row of small pictures with captions, as one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from everygroup.errors import EverygroupError
from everygroup.figures.theme import clean_text

_SIDE, _GAP, _LINE, _LINES = 112, 10, 15, 4


def image_strip(images: np.ndarray, captions: Sequence[str], *, side: int = _SIDE) -> bytes:
    """Place pictures side by side, each with up to four lines of caption below it.

    Parameters
    ----------
    images : numpy.ndarray
        (n, H, W, 3) uint8; (n, H, W, 1) is taken as grey.
    captions : sequence of str
        One caption per picture; newlines separate lines, long lines are broken between words.
    side : int
        Width and height of a picture in pixels.

    Returns
    -------
    bytes
        A PNG on white. It shows patients' pictures: keep it where those may be kept.

    Raises
    ------
    EverygroupError
        If there is no picture, the array has another shape or type, or the captions do not match.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8 or not len(images):
        raise EverygroupError(
            f"An image strip needs a uint8 array of shape (n, H, W, 3), not {images.dtype} {images.shape}.",
            fix="give at least one picture, as 8-bit values",
        )
    if len(captions) != len(images):
        raise EverygroupError(
            f"{len(images)} pictures came with {len(captions)} captions.", fix="give one caption per picture"
        )
    font = ImageFont.load_default(12)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    lines = [
        [part for line in str(caption).split("\n") for part in _broken(ruler, clean_text(line), font, side)][:_LINES]
        for caption in captions
    ]
    below = _LINE * max(len(part) for part in lines) + 4
    width = len(images) * (side + _GAP) + _GAP
    strip = Image.new("RGB", (width, side + below + 2 * _GAP), "white")
    draw = ImageDraw.Draw(strip)
    for i, (image, texts) in enumerate(zip(images, lines, strict=True)):
        picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).convert("RGB")
        left = _GAP + i * (side + _GAP)
        strip.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (left, _GAP))
        for j, text in enumerate(texts):
            draw.text((left, _GAP + side + 3 + j * _LINE), _cut(draw, text, font, side), fill="#1b1f24", font=font)
    buffer = io.BytesIO()
    strip.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _broken(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, side: int
) -> list[str]:
    """A text in lines that fit, broken between words."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and draw.textlength(longer, font=font) > side:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, side: int) -> str:
    if draw.textlength(text, font=font) <= side:
        return text
    while text and draw.textlength(text + "…", font=font) > side:
        text = text[:-1]
    return text + "…"
