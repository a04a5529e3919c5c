"""everygroup prepare NAME RAW_FOLDER, list datasets, describe NAME: as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from everygroup.cli.main import app
from everygroup.datasets import prepare_published, published, read_cohort
from everygroup.datasets.published import ADAPTERS, DataSetInfo, LabelMap, adapter_of

Miniature = Callable[[str], Path]


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def good(*words: object) -> str:
    code, said = run(*words)
    assert code == 0, said
    return said


def bad(*words: object) -> str:
    code, said = run(*words)
    assert code == 2, said
    assert "Fix:" in said
    return said


# ---- the sets that the command is for -------------------------------------------------------------------------------


def test_ham10000_in_two_parts(miniature: Miniature, tmp_path: Path) -> None:
    raw, out = miniature("ham10000"), tmp_path / "cohort"
    said = good("prepare", "ham10000", raw, "--out", out, "--image-size", 6, "--label-map", "malignant")
    assert "24 images are ready" in said and "The published set has 10015 images" in said and "CC BY-NC 4.0" in said
    cohort = read_cohort(out, group="sex")
    assert cohort.classes == ("benign", "malignant") and len(cohort) == 24
    assert (cohort.group < 0).sum() == 8, "unknown sexes are missing"
    assert len(set(cohort.units)) == 12
    assert cohort.provenance["label_map"]["name"] == "malignant"
    assert cohort.provenance["counts"]["dx"]["nv"] == {"published": 6705, "here": 2}
    without = tmp_path / "without"
    good("prepare", "ham10000", raw, "--out", without, "--image-size", 6, "--label-map", "malignant_without_bcc")
    other = read_cohort(without, group="sex")
    changed = cohort.table["dx"][np.asarray(cohort.table["label"] != other.table["label"])]
    assert set(changed) == {"bcc"}
    again = good("prepare", "ham10000", raw, "--out", out, "--image-size", 6, "--label-map", "malignant")
    assert "24 images are ready" in again and "Reading images" not in again


def test_isic2019_with_its_test_part(miniature: Miniature, tmp_path: Path) -> None:
    raw, out = miniature("isic2019"), tmp_path / "cohort"
    options = ("--image-size", 5, "--group", "age", "--bins", "age=55")
    said = good("prepare", "isic2019", raw, "--out", out, *options)
    assert "3 rows are left out by the label map 'eight': UNK 3" in said
    assert "10 images have no lesion_id" in said
    cohort = read_cohort(out)
    assert len(cohort) == 27 and cohort.groups == ("<=55", ">55") and "UNK" not in cohort.classes
    assert cohort.provenance["left_out"]["by_label_map"] == 3
    assert list(cohort.table["split"]).count("test") == 3
    lesion = cohort.table["lesion_id"]
    assert lesion.isna().sum() + lesion.nunique() == len(set(cohort.units)), "a blank lesion is one of its own"
    (raw / "ISIC_2019_Test_GroundTruth.csv").unlink()
    good("prepare", "isic2019", raw, "--out", tmp_path / "training", "--image-size", 5)
    assert len(read_cohort(tmp_path / "training", group="sex")) == 24


def test_fitzpatrick17k_with_a_third_of_the_images_missing(miniature: Miniature, tmp_path: Path) -> None:
    raw, out = miniature("fitzpatrick17k"), tmp_path / "cohort"
    gone = sorted((raw / "images").iterdir())[::3]
    for path in gone:
        path.unlink()
    words = ("prepare", "fitzpatrick17k", raw, "--out", out, "--image-size", 6)
    said = bad(*words)
    assert "10 of 30 images (33.3%) are not in" in said and "--list-missing" in said and "--on-bad-image skip" in said
    assert not (out / "images.npy").exists()

    said = good(*words, "--list-missing")
    assert "10 of 30 images are absent" in said
    listed = pd.read_csv(out / "missing_images.csv")
    assert set(listed["image_id"]) == {p.stem for p in gone}
    assert {"skin_type", "url"} <= set(listed.columns), "what helps to find them, and to see whom they are of"
    assert not (out / "images.npy").exists()

    said = good(*words, "--on-bad-image", "skip")
    assert "10 of 30 images (33.3%) are absent" in said and "20 images are ready" in said
    cohort = read_cohort(out, group="skin_type", bins={"skin_type": "light:1,2,3|dark:4,5,6"})
    assert len(cohort) == 20 and not set(cohort.ids) & {p.stem for p in gone}
    assert cohort.provenance["left_out"]["absent_images"] == 10
    words = ("--allow-missing", 0.34, "--leave-out", "qc=3 wrongly labelled")
    good("prepare", "fitzpatrick17k", raw, "--out", tmp_path / "share", "--image-size", 6, *words)
    assert "3 Wrongly labelled" not in set(read_cohort(tmp_path / "share", group="skin_type").table["qc"])
    bad("prepare", "fitzpatrick17k", raw, "--out", tmp_path / "few", "--allow-missing", 0.33)


def test_one_missing_image_of_a_hundred_is_left_out_aloud(miniature: Miniature, tmp_path: Path) -> None:
    raw = miniature("ham10000")
    table = pd.read_csv(raw / "HAM10000_metadata.csv", dtype=str)
    more = [table.assign(image_id=[f"ISIC_{1 + k:04d}{i:03d}" for i in range(24)]) for k in range(4)]
    for name in pd.concat(more)["image_id"]:
        Image.new("RGB", (4, 4)).save(raw / "HAM10000_images_part_1" / f"{name}.jpg")
    pd.concat([table, *more]).to_csv(raw / "HAM10000_metadata.csv", index=False)  # 120 rows
    pictures = sorted(raw.rglob("*.jpg"))
    pictures[0].unlink()
    said = good("prepare", "ham10000", raw, "-o", tmp_path / "one", "--image-size", 4)
    assert "1 of 120 images (0.8%) are absent and left out" in said
    assert len(pd.read_csv(tmp_path / "one" / "missing_images.csv")) == 1
    Image.new("RGB", (4, 4)).save(pictures[0])
    good("prepare", "ham10000", raw, "-o", tmp_path / "one", "--image-size", 4, "--overwrite")
    assert not (tmp_path / "one" / "missing_images.csv").exists(), "what is no longer missing is no longer listed"
    pictures[0].unlink()
    pictures[1].unlink()
    said = bad("prepare", "ham10000", raw, "-o", tmp_path / "two", "--image-size", 4)
    assert "2 of 120 images (1.7%)" in said and "--allow-missing 0.02" in said
    for path in pictures[2:-1]:
        path.unlink()
    good("prepare", "ham10000", raw, "-o", tmp_path / "last", "--image-size", 4, "--on-bad-image", "skip")
    (raw / "HAM10000_images_part_1" / "other.jpg").write_bytes(pictures[-1].read_bytes())
    pictures[-1].unlink()
    said = bad("prepare", "ham10000", raw, "-o", tmp_path / "no", "--image-size", 4, "--on-bad-image", "skip")
    assert "120 of 120 images" in said and "called like 'HAM10000_images_part_1/other.jpg'" in said


# ---- the same sets as tidy copies -----------------------------------------------------------------------------------


def tidy(name: str, folder: Path, columns: dict[str, str]) -> tuple[Path, pd.DataFrame]:
    """Copy a miniature into metadata.csv and an npz."""
    found = adapter_of(name).read(folder)
    copy = folder.parent / f"{name}-tidy"
    copy.mkdir()
    table = found.table.drop(columns="image").rename(columns=columns)
    table.to_csv(copy / "metadata.csv", index=False)
    pixels = np.random.default_rng(0).integers(0, 256, (len(table), 4, 4, 3), dtype=np.uint8)
    np.savez(copy / "images-4.npz", images=pixels, ids=table["image_id"].to_numpy(str))
    return copy, found.table


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("ham10000", {"dx": "label"}),
        ("fitzpatrick17k", {"condition": "label"}),
        ("pad_ufes_20", {"diagnostic": "label", "region": "localization"}),
    ],
)
def test_a_tidy_copy_is_read_by_the_same_name(
    name: str, columns: dict[str, str], miniature: Miniature, tmp_path: Path
) -> None:
    copy, table = tidy(name, miniature(name), columns)
    good("prepare", name, copy, "--out", tmp_path / "cohort")
    first = next(iter(adapter_of(name).info.attributes))
    cohort = read_cohort(tmp_path / "cohort", group=first)
    assert cohort.sample_shape == (4, 4, 3), "the size of the only archive"
    assert cohort.ids.tolist() == table["image_id"].tolist()
    rule = adapter_of(name).label_map()
    assert cohort.table["label"].tolist() == rule.apply(table[rule.column], where=name)


# ---- options and mistakes -------------------------------------------------------------------------------------------


def test_columns_of_another_release(miniature: Miniature, tmp_path: Path) -> None:
    raw = miniature("ddi")
    path = raw / "ddi_metadata.csv"
    table = pd.read_csv(path, dtype=str)
    first = table.assign(malignant=(table["malignant"] == "True").astype(int))
    first.rename(columns={"malignant": "malignancy(malig=1)"}).to_csv(path, index=False)
    good("prepare", "ddi", raw, "--out", tmp_path / "first", "--image-size", 4)
    assert set(read_cohort(tmp_path / "first", group="skin_tone").classes) == {"benign", "malignant"}
    first.rename(columns={"malignant": "cancer(y=1)"}).to_csv(path, index=False)
    said = bad("prepare", "ddi", raw, "--out", tmp_path / "own", "--image-size", 4)
    assert "No column 'malignant'" in said and "ddi_metadata.csv" in said
    words = ("--image-size", 4, "--column-map", "cancer(y=1)=malignant")
    good("prepare", "ddi", raw, "--out", tmp_path / "own", *words)
    said = bad("prepare", "ddi", raw, "--out", tmp_path / "own", "--column-map", "disease=malignant")
    assert "No column 'disease'" in said
    said = bad("prepare", "ddi", raw, "--out", tmp_path / "own", "--column-map", "DDI_ID=disease")
    assert "two columns would be called 'disease'" in said
    assert "Cannot read --column-map" in bad("prepare", "ddi", raw, "--out", tmp_path / "own", "--column-map", "x")


def test_the_first_release_of_fitzpatrick17k(miniature: Miniature, tmp_path: Path) -> None:
    raw = miniature("fitzpatrick17k")
    path = raw / "fitzpatrick17k.csv"
    table = pd.read_csv(path)
    table.rename(columns={"fitzpatrick_scale": "fitzpatrick"}).drop(columns=["fitzpatrick_centaur", "qc"]).to_csv(
        path, index=False
    )
    said = good("prepare", "fitzpatrick17k", raw, "--out", tmp_path / "cohort", "--image-size", 4)
    assert "no skin_type_centaur" in said
    cohort = read_cohort(tmp_path / "cohort", group="skin_type")
    assert cohort.groups == ("1", "2", "3", "4", "5", "6")
    assert (cohort.group < 0).sum() == 1, "-1 is missing"


def test_known_bad_records_are_left_out_with_their_reason(
    miniature: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(adapter_of("ham10000")), "drops", {"ISIC_0024310": "shows another lesion"})
    said = good("prepare", "ham10000", miniature("ham10000"), "--out", tmp_path / "cohort", "--image-size", 4)
    assert "ISIC_0024310 is left out: shows another lesion." in said
    cohort = read_cohort(tmp_path / "cohort", group="sex")
    assert len(cohort) == 23 and cohort.provenance["left_out"]["known_bad"] == 1


def test_whole_sets_are_compared_with_the_published_counts(
    miniature: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = adapter_of("ham10000")
    counts = {"dx": {"akiec": 4, "bcc": 4, "bkl": 4, "df": 4, "mel": 4, "nv": 2, "vasc": 2}}
    info = DataSetInfo(**{**vars(adapter.info), "n_images": 24, "counts": counts})
    monkeypatch.setattr(type(adapter), "info", info)
    raw = miniature("ham10000")
    assert "Counts of dx are those published" in good("prepare", "ham10000", raw, "-o", tmp_path / "a")
    wrong = DataSetInfo(**{**vars(info), "counts": {"dx": {**counts["dx"], "nv": 3}}})
    monkeypatch.setattr(type(adapter), "info", wrong)
    assert "dx nv: 2 for 3" in good("prepare", "ham10000", raw, "-o", tmp_path / "b")


def test_mistakes_are_told(miniature: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, out = miniature("ham10000"), tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    assert "did you mean 'ham10000'" in bad("prepare", "ham1000", raw, "-o", out)
    assert "everygroup prepare ham10000 FOLDER" in bad("prepare", "ham10000", "-o", out)
    assert "choose one of seven" in bad("prepare", "ham10000", raw, "-o", out, "--label-map", "eight")
    assert "--label-map" in bad("prepare", "ham10000", raw, "-o", out, "--label", "dx")
    assert "NAME RAW_FOLDER" in bad("prepare", raw, "-o", out, "--list-missing")
    assert "original files" in bad("prepare", "ham10000", raw, "-o", raw)
    assert "No column 'skin'" in bad("prepare", "ham10000", raw, "-o", out, "--group", "skin")
    assert "No column 'qc'" in bad("prepare", "ham10000", raw, "-o", out, "--leave-out", "qc=3")
    good("prepare", "ham10000", raw, "-o", out, "--image-size", 4)
    assert "is prepared already" in bad("prepare", "ham10000", out, "-o", tmp_path / "twice")
    for path in raw.rglob("*.jpg"):
        path.unlink()
    (raw / "HAM10000_images_part_1.zip").write_bytes(b"not unpacked")
    assert "unpack HAM10000_images_part_1.zip" in bad("prepare", "ham10000", raw, "-o", tmp_path / "none")


def test_a_value_outside_the_label_map_names_its_row(miniature: Miniature, tmp_path: Path) -> None:
    raw = miniature("ham10000")
    path = raw / "HAM10000_metadata.csv"
    table = pd.read_csv(path, dtype=str)
    table.loc[4, "dx"] = "scc"
    table.to_csv(path, index=False)
    said = bad("prepare", "ham10000", raw, "-o", tmp_path / "out", "--leave-out", "lesion_id=HAM_0000000")
    assert "HAM10000_metadata.csv: row 6: 'scc'" in said, "as the file counts"
    good("prepare", "ham10000", raw, "-o", tmp_path / "out", "--leave-out", "dx=scc")


def test_own_data_by_the_name_csv(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "images-4.npz", images=pixels, ids=[f"i{k}" for k in range(6)])
    table = pd.DataFrame({"image_id": [f"i{k}" for k in range(6)], "dx": ["a", "b"] * 3, "sex": ["f", "f", "m"] * 2})
    table.to_csv(tmp_path / "mine" / "metadata.csv", index=False)
    for words in (["csv", tmp_path / "mine"], [tmp_path / "mine"]):
        out = tmp_path / f"out{len(words)}"
        good("prepare", *words, "--out", out, "--label", "dx", "--group", "sex")
        assert len(read_cohort(out)) == 6


# ---- list and describe ----------------------------------------------------------------------------------------------


def test_every_set_is_listed_and_described() -> None:
    listed = json.loads(run("list", "datasets", "--json")[1])
    assert set(listed) == {"simulated", "toy", *ADAPTERS}
    for name in ADAPTERS:
        info = adapter_of(name).info
        assert listed[name].startswith(info.title)
        record = json.loads(run("describe", name, "--json")[1])
        assert record["licence"] == info.licence and record["files"] == list(info.files)
        assert len(record["label maps"]) == len(adapter_of(name).label_maps)
        assert record["default label map"] == adapter_of(name).label_maps[0].name
        said = good("describe", name)
        assert " ".join(info.citation.split()) in said and f"everygroup prepare {name} RAW_FOLDER" in said
    assert "procedural" in good("describe", "simulated")


def test_names_of_sets_are_not_those_of_methods_or_metrics() -> None:
    from everygroup.methods import list_methods
    from everygroup.metrics import list_metrics
    from everygroup.settings import TrainSettings

    assert not set(ADAPTERS) & {*list_methods(), *list_metrics(), *TrainSettings.model_fields}


def test_from_python(miniature: Miniature, tmp_path: Path) -> None:
    assert "ham10000" in published.list_datasets("ham*")
    out = prepare_published("ham10000", miniature("ham10000"), tmp_path / "c", image_size=4, sample_limit=10)
    assert len(read_cohort(out, group="sex")) == 10
    rule = LabelMap("two", 1, "dx", {"a": "x", "b": None, "c": "y"})
    assert rule.classes == ("x", "y") and rule.apply(["A", "b", None, "c"], where="t") == ["x", None, None, "y"]
