"""Findings, numbers, masks, anomalies and undegraded images from files, and from prepared folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from PIL import Image

from everygroup.cohort import Cohort
from everygroup.console import recorded_warnings
from everygroup.datasets import prepare_cohort
from everygroup.datasets.reader import read_cohort
from everygroup.errors import CohortError, EverygroupError, ImageError, SettingsError
from everygroup.reading import Reading

N, SIDE = 8, 16


def mask_of(i: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[i : i + 2, 3:9] = 1
    return mask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures with masks and clean versions, and a table that names all."""
    data = tmp_path / "data"
    for name in ("images", "masks", "clean"):
        (data / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(N):
        clean = rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
        Image.fromarray(clean).save(data / "clean" / f"x{i}.png")
        Image.fromarray(clean // 2).save(data / "images" / f"x{i}.png")
        Image.fromarray(mask_of(i) * 255).save(data / "masks" / f"x{i}_mask.png")
    write(data)
    return data


def write(data: Path, **columns: Any) -> None:
    table = {
        "image_id": [f"x{i}" for i in range(N)],
        "sex": ["f", "m"] * (N // 2),
        "dx": ["ill", "well", "well", "worse"] * (N // 4),
        "edema": [1, 0, 1, 0, "", 1, 0, 0],
        "mass": [0, 0, 1, 1, 1, "", 0, 1],
        "score": ["1,5", "2,25", "3", "4", "5", "6", "7", "8,125"],
        "mask": [f"masks/x{i}_mask.png" for i in range(N)],
        "clean": [f"clean/x{i}.png" for i in range(N)],
        "runs": [f"{3 * SIDE + i + 1} 2 {4 * SIDE + i + 1} 2" for i in range(N)],
    }
    pd.DataFrame({**table, **columns}).to_csv(data / "metadata.csv", index=False, sep=";")


ASKED: dict[str, dict[str, Any]] = {
    "labels": {"label": "edema,mass"},
    "number": {"label": "score"},
    "mask": {"masks": "mask"},
    "anomaly": {"label": "dx", "normal": "well"},
    "image": {"truth": "clean"},
}


def read(data: Path, target: str, tmp_path: Path, **changes: Any) -> Cohort:
    asked: Mapping[str, Any] = {"target": target, "group": "sex", "image_size": SIDE, **ASKED[target], **changes}
    return read_cohort(data, cache=tmp_path / "cache", **asked)


def test_findings(folder: Path, tmp_path: Path) -> None:
    cohort = read(folder, "labels", tmp_path)
    assert cohort.classes == ("edema", "mass") and cohort.label == "edema,mass"
    npt.assert_array_equal(cohort.y[:, 0], np.array([1, 0, 1, 0, np.nan, 1, 0, 0], np.float32))


def test_numbers_with_a_decimal_comma(folder: Path, tmp_path: Path) -> None:
    assert read(folder, "number", tmp_path).y.tolist() == [1.5, 2.25, 3, 4, 5, 6, 7, 8.125]
    write(folder, score=["1", "mild", "3", "4", "5", "severe", "7", "8"])
    with pytest.raises(EverygroupError, match=r"(?s)row 3, column 'score'.*'mild'.*row 7, column 'score'.*'severe'"):
        read(folder, "number", tmp_path)


def test_a_measured_label_may_be_predicted_as_a_number(folder: Path, tmp_path: Path) -> None:
    write(folder, score=[i / 7 for i in range(N)])
    wide = pd.read_csv(folder / "metadata.csv", sep=";")
    pd.concat([wide] * 4).assign(image_id=[f"x{i}" for i in range(4 * N)], score=np.arange(32) / 7).to_csv(
        folder / "metadata.csv", index=False
    )
    for i in range(N, 4 * N):
        Image.new("RGB", (SIDE, SIDE)).save(folder / "images" / f"x{i}.png")
    with pytest.raises(CohortError, match="a measured number, not classes") as refused:
        read_cohort(folder, label="score", group="sex", cache=tmp_path / "cache")
    assert "--target number" in str(refused.value.fix)
    assert len(read(folder, "number", tmp_path)) == 32


def test_masks_from_files(folder: Path, tmp_path: Path) -> None:
    cohort = read(folder, "mask", tmp_path)
    assert cohort.classes == ("mask",) and isinstance(cohort.truth, np.memmap)
    npt.assert_array_equal(cohort.truth_batch(slice(None)), np.stack([mask_of(i) for i in range(N)]))
    assert read(folder, "mask", tmp_path, structures="lesion").classes == ("lesion",)
    half = read(folder, "mask", tmp_path, image_size=8)
    npt.assert_array_equal(half.truth_batch(np.array([2]))[0], mask_of(2)[1::2, 1::2])


def test_masks_from_runs_are_those_of_the_files(folder: Path, tmp_path: Path) -> None:
    runs = [f"{3 * SIDE + i + 1} 2 " + " ".join(f"{c * SIDE + i + 1} 2" for c in range(4, 9)) for i in range(N)]
    write(folder, runs=runs)
    files, cells = read(folder, "mask", tmp_path), read(folder, "mask", tmp_path, masks="runs")
    npt.assert_array_equal(files.truth_batch(slice(None)), cells.truth_batch(slice(None)))
    write(folder, runs=[*runs[:3], "300 2", *runs[4:6], "1 2 2 2", runs[7]])
    with pytest.raises(ImageError, match=r"(?s)2 of 8 images cannot be used.*row 5.*row 8"):
        read(folder, "mask", tmp_path, masks="runs")


def test_undegraded_images(folder: Path, tmp_path: Path) -> None:
    cohort = read(folder, "image", tmp_path)
    npt.assert_array_equal(cohort.truth_batch(slice(None)) // 2, cohort.batch(slice(None)))
    with pytest.raises(CohortError, match="names the image itself in 8 rows, the first row 2"):
        read(folder, "image", tmp_path, truth="image_id", image_column="image_id", images=folder / "images")


def test_anomalies(folder: Path, tmp_path: Path) -> None:
    cohort = read(folder, "anomaly", tmp_path)
    assert cohort.y.tolist() == [1, 0, 0, 1] * 2 and cohort.classes == ("normal", "anomaly")
    with pytest.raises(CohortError, match="'healthy' does not occur; there are ill, well, worse"):
        read(folder, "anomaly", tmp_path, normal="healthy")


@pytest.mark.parametrize("target", list(ASKED))
def test_a_prepared_folder_gives_the_same_cohort(folder: Path, tmp_path: Path, target: str) -> None:
    out = prepare_cohort(folder, tmp_path / "out", target=target, group="sex", image_size=SIDE, **ASKED[target])
    opened, direct = read_cohort(out), read(folder, target, tmp_path)
    assert (opened.target, opened.classes) == (target, direct.classes)
    npt.assert_array_equal(opened.y, direct.y)
    assert opened.content_hash == direct.content_hash
    if target in ("mask", "image"):
        npt.assert_array_equal(opened.truth_batch(slice(2, 5)), direct.truth_batch(slice(2, 5)))
        few = read_cohort(out, sample_limit=3)
        npt.assert_array_equal(few.truth_batch(slice(None)), direct.truth[few.rows])  # type: ignore[index]


def test_a_prepared_folder_serves_other_targets_of_its_table(folder: Path, tmp_path: Path) -> None:
    out = prepare_cohort(folder, tmp_path / "out", target="mask", masks="mask", group="sex", image_size=SIDE)
    assert read_cohort(out, target="number", label="score").y[0] == 1.5
    with pytest.raises(CohortError, match="without masks or undegraded images"):
        read_cohort(out, target="image", truth="clean")
    with pytest.raises(CohortError, match="was prepared with the column 'mask'"):
        read_cohort(out, masks="runs", target="mask")


def test_a_picture_that_is_left_out_takes_its_mask_along(folder: Path, tmp_path: Path) -> None:
    (folder / "images" / "x2.png").write_bytes(b"broken")
    cohort = read(folder, "mask", tmp_path, on_bad_image="skip")
    assert len(cohort) == len(cohort.truth) == 7  # type: ignore[arg-type]
    npt.assert_array_equal(cohort.truth_batch(np.array([2]))[0], mask_of(3))


def test_masks_that_are_not_there_or_damaged_are_all_named(folder: Path, tmp_path: Path) -> None:
    (folder / "masks" / "x1_mask.png").unlink()
    (folder / "masks" / "x5_mask.png").unlink()
    with pytest.raises(
        CohortError, match=r"2 of 8 samples have no image .*x1_mask.*\(row 3\).*x5_mask.*\(row 7\)"
    ) as e:
        read(folder, "mask", tmp_path)
    assert "--masks" in str(e.value.fix)
    Image.new("L", (SIDE, SIDE)).save(folder / "masks" / "x1_mask.png")
    (folder / "masks" / "x5_mask.png").write_bytes(b"broken")
    with pytest.raises(ImageError, match="row 7"):
        read(folder, "mask", tmp_path, on_bad_image="skip")


def test_rows_without_a_mask(folder: Path, tmp_path: Path) -> None:
    write(folder, mask=["" if i == 3 else f"masks/x{i}_mask.png" for i in range(N)])
    with pytest.raises(CohortError, match="1 of 8 rows have no 'mask'"):
        read(folder, "mask", tmp_path)
    cohort = read(folder, "mask", tmp_path, drop_unlabelled=True)
    npt.assert_array_equal(cohort.truth_batch(np.array([3]))[0], mask_of(4))
    assert any("left out" in text for text in recorded_warnings())


def test_a_model_predicts_where_there_is_no_mask(folder: Path, tmp_path: Path) -> None:
    write(folder)
    table = pd.read_csv(folder / "metadata.csv", sep=";").drop(columns="mask")
    table.to_csv(folder / "metadata.csv", index=False)
    cohort = read(folder, "mask", tmp_path, classes=["lesion"], groups=["f", "m"], allow_unlabelled=True)
    assert cohort.truth is None and cohort.classes == ("lesion",)
    assert (cohort.outcome.strata == -1).all()


def test_more_values_than_structures_are_refused(folder: Path, tmp_path: Path) -> None:
    two = mask_of(0)
    two[12, 12] = 2
    Image.fromarray(two).save(folder / "masks" / "x0_mask.png")
    assert read(folder, "mask", tmp_path).classes == ("structure 1", "structure 2")
    with pytest.raises(CohortError, match="values up to 2, but 1 structures are named: lesion"):
        read(folder, "mask", tmp_path, structures="lesion")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"masks": "mask"}, "--masks is for --target mask, not for classes"),
        ({"target": "mask", "label": "dx"}, "--label is for --target classes or labels or number or anomaly, not"),
        ({"target": "anomaly", "label": "dx"}, "name the value that is no anomaly with --normal"),
        ({"target": "colour"}, "target"),
    ],
)
def test_options_that_do_not_fit_the_target(options: dict[str, Any], said: str) -> None:
    from everygroup.settings import build

    with pytest.raises(SettingsError, match=said) as refused:
        build(Reading, options)
    assert "{" not in refused.value.message


def test_the_missing_column_of_a_target_is_asked_for(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="the masks column is not named") as asked:
        read_cohort(folder, target="mask", group="sex")
    assert "--masks" in str(asked.value.fix)
    with pytest.raises(CohortError, match="names 2 columns") as several:
        read_cohort(folder, label="edema,mass", group="sex", cache=tmp_path)
    assert "--target labels" in str(several.value.fix)
