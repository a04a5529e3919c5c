"""Copies: planted ones are found across patients, labels and parts; none among unrelated pictures; units join."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from everygroup.cohort import Cohort, split_cohort, split_from_parts
from everygroup.console import recorded_warnings
from everygroup.imaging import Duplicates, find_duplicates, likeness, units_with_duplicates
from everygroup.imaging.near_pairs import MAX_DETAIL, MIN_DETAIL, _candidates, detail_level, near_pairs

N, SIDE = 60, 48


def pictures(n: int = N, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Draw unrelated smooth colour pictures with some fine structure."""
    rng = np.random.default_rng(seed)
    coarse = gaussian_filter(rng.normal(size=(n, side, side, 3)), (0, 5, 5, 0))
    fine = gaussian_filter(rng.normal(size=(n, side, side, 1)), (0, 1, 1, 0))
    drawn = coarse / coarse.std() * 35 + fine / fine.std() * 12 + 120
    return np.clip(drawn, 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def cohort(images: np.ndarray, y: list[str] | None = None, units: list[str] | None = None) -> Cohort:
    n = len(images)
    return Cohort.from_arrays(
        images,
        y or ["a", "b"] * (n // 2) + ["a"] * (n % 2),
        sensitive_features={"sex": (["f", "f", "m", "m"] * n)[:n]},
        ids=[f"i{k}" for k in range(n)],
        units=units,
    )


def found_pairs(found: Duplicates, kind: str) -> set[tuple[str, str]]:
    rows = found.pairs[found.pairs["kind"] == kind]
    return set(zip(rows["id_a"], rows["id_b"], strict=True))


def test_unrelated_pictures_have_no_copies() -> None:
    found = find_duplicates(cohort(pictures(150)))
    assert found.pairs.empty
    assert found.warnings() == []
    assert len(set(found.component.tolist())) == 150
    assert MIN_DETAIL <= found.searched.detail_level < 0.8


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        (lambda p: jpeg(p, 40), True),
        (
            lambda p: np.asarray(Image.fromarray(p).resize((24, 24)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)),
            True,
        ),
        (lambda p: np.clip(p * 1.15, 0, 255).astype(np.uint8), True),
        (lambda p: np.asarray(Image.fromarray(p).convert("L").convert("RGB")), True),
        (lambda p: p[:, ::-1], False),
        (lambda p: np.rot90(p), False),
    ],
    ids=["jpeg", "smaller", "brighter", "grey", "mirrored", "rotated"],
)
def test_changed_copies(change: Any, is_found: bool) -> None:
    images = pictures()
    images[7] = change(images[3])
    found = find_duplicates(cohort(images))
    assert found_pairs(found, "near") == ({("i3", "i7")} if is_found else set())
    assert not found_pairs(found, "identical")


def test_identical_images_are_chained_and_near_ones_join_them() -> None:
    images = pictures()
    images[10] = images[20] = images[30]
    images[40] = jpeg(images[10], 60)
    found = find_duplicates(cohort(images))
    assert found_pairs(found, "identical") == {("i10", "i20"), ("i10", "i30")}
    assert found_pairs(found, "near") == {("i10", "i40")}
    assert len(set(found.component[[10, 20, 30, 40]].tolist())) == 1
    assert found.summary().set_index("kind")["pairs"].to_dict() == {"identical": 2, "near": 1}


def test_conflicts_units_and_leaks_are_told() -> None:
    images = pictures()
    images[5] = jpeg(images[0], 60)  # other label, other patient, other part
    images[9] = jpeg(images[8], 60)  # other label, same patient
    units = [f"p{k // 2}" for k in range(N)]
    whole = cohort(images, units=units)
    part = np.where(np.arange(N) < 4, "train", np.where(np.arange(N) < 30, "validation", "test"))
    found = find_duplicates(whole, split_from_parts(whole, part))
    near = found.summary().set_index("kind").loc["near"]
    assert near.to_dict() == {"pairs": 2, "across_units": 1, "labels_differ": 2, "across_parts": 1}
    said = " ".join(found.warnings())
    assert (
        "2 pairs of images nearly the same (not byte for byte), of which 1 across patients or lesions (i0 and i5)"
        in said
    )
    assert "2 pairs of copies with different labels (i0 and i5, a against b; i8 and i9, a against b)" in said
    assert "1 pair of nearly identical images in different parts of the split (i0 and i5): a leak" in said
    assert found.pairs.iloc[0][["part_a", "part_b"]].tolist() == ["train", "validation"]


def test_units_with_duplicates_join_patients_and_a_split_keeps_them_together() -> None:
    images = pictures(80)
    images[11] = jpeg(images[2], 70)  # patients 1 and 5
    images[70] = images[10]  # patients 5 and 35
    images[41] = jpeg(images[40], 70)  # both of patient 20
    whole = cohort(images, units=[f"p{k // 2}" for k in range(80)])
    joined = units_with_duplicates(whole)
    assert len(set(whole.units)) == 40
    assert len(set(joined.units)) == 38
    assert set(joined.units[[2, 3, 10, 11, 70, 71]].tolist()) == {"p1 (+2)"}
    untouched = np.setdiff1d(np.arange(80), [2, 3, 10, 11, 70, 71])
    assert (joined.units[untouched] == whole.units[untouched]).all()
    assert (joined.ids == whole.ids).all() and whole.units[2] == "p1"
    for seed in range(2):
        split = split_cohort(joined, seed=seed)
        assert find_duplicates(joined, split).pairs["same_part"].all()


def test_a_long_chain_of_likenesses_is_doubted() -> None:
    whole = cohort(pictures(30))
    chained = Duplicates(pd.DataFrame(), np.where(np.arange(30) < 12, 0, np.arange(30)), near_pairs(whole.images))
    units_with_duplicates(whole, chained)
    assert any("12 patients or lesions were joined into one" in w for w in recorded_warnings())


def test_blank_pictures_are_no_near_copies_of_each_other() -> None:
    images = pictures()
    for k in range(10):
        images[k] = 20 * k + 5
    assert len(near_pairs(images)) == 0


@pytest.mark.parametrize("side", [4, 15])
def test_tiny_pictures_and_vectors_are_not_searched(side: int) -> None:
    tiny = np.random.default_rng(0).integers(0, 256, (20, side, side, 3), dtype=np.uint8)
    assert "fewer than 16 pixels" in find_duplicates(cohort(tiny)).warnings()[0]
    vectors = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    assert "no 8-bit pictures" in find_duplicates(cohort(vectors)).warnings()[0]


def test_too_many_likenesses_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everygroup.imaging.near_pairs.MAX_PAIRS", 10)
    same = pictures(1).repeat(20, axis=0)
    found = near_pairs(same)
    assert len(found) == 0 and "too similar" in found.note


def test_hash_and_thumbnail_against_plain_definitions() -> None:
    images = pictures(5, side=96)
    small = likeness.thumbnails(images, 32)
    grey = images @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(small, grey.reshape(5, 32, 3, 32, 3).mean(axis=(2, 4)), atol=1e-3)
    for picture, code in zip(small, likeness.perceptual_hash(small), strict=True):
        low = dctn(picture.astype(float), norm="ortho")[:8, :8].ravel()
        bits = low > np.median(low[1:])
        assert np.unpackbits(np.array([code]).view(np.uint8)).astype(bool).tolist() == bits.tolist()
    odd = likeness.thumbnails(pictures(3, side=45), 32)
    assert odd.shape == (3, 32, 32)
    assert likeness.thumbnails(np.full((1, 45, 30, 1), 77, np.uint8), 32) == pytest.approx(77, abs=1e-3)


def test_hamming_counts_bits_with_and_without_numpys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(0).integers(0, 2**64, (2, 50), dtype=np.uint64)
    plain = [bin(int(x) ^ int(y)).count("1") for x, y in zip(a, b, strict=True)]
    assert likeness.hamming(a, b).tolist() == plain
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert likeness.hamming(a, b).tolist() == plain
    assert likeness.hamming(a[:3, None], b[None, :4]).shape == (3, 4)


def test_candidates_are_all_pairs_within_the_distance_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 70, dtype=np.uint64)
    hashes[40] = hashes[3] ^ np.uint64(0b1011)
    hashes[69] = hashes[68]
    every = {
        (i, j) for i in range(70) for j in range(i + 1, 70) if bin(int(hashes[i]) ^ int(hashes[j])).count("1") <= 22
    }
    assert {(3, 40), (68, 69)} <= every
    for block in (50, 4_000_000):
        monkeypatch.setattr("everygroup.imaging.near_pairs._BLOCK", block)
        assert {(int(i), int(j)) for a, b, _ in _candidates(hashes, 22) for i, j in zip(a, b, strict=True)} == every


def test_the_level_of_detail_rises_where_unrelated_pictures_are_alike() -> None:
    rng = np.random.default_rng(0)
    assert detail_level(rng.normal(-0.3, 0.05, 5000)) == MIN_DETAIL
    assert detail_level(np.array([])) == MIN_DETAIL
    middle = detail_level(rng.normal(0.1, 0.05, 5000))
    assert middle == pytest.approx(0.5 + 0.1 + 2.326 * 0.05, abs=0.01)
    few_copies = np.concatenate([rng.normal(0.1, 0.05, 5000), np.ones(20)])
    assert detail_level(few_copies) == pytest.approx(middle, abs=0.02)
    assert detail_level(rng.normal(0.8, 0.05, 5000)) == MAX_DETAIL
