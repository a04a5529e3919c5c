"""What is particular about single dermatology sets: one-hot truth, dictionaries as text, parts, pairs."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.datasets import prepare_published, read_cohort
from everygroup.datasets.published import adapter_of
from everygroup.errors import CohortError

Miniature = Callable[[str], Path]


def change(path: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    edit(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


# ---- HAM10000 -------------------------------------------------------------------------------------------------------


def test_ham10000_with_its_folders_twice(miniature: Miniature, tmp_path: Path) -> None:
    raw = miniature("ham10000")
    for part in (1, 2):
        shutil.copytree(raw / f"HAM10000_images_part_{part}", raw / f"ham_copy_of_images_part_{part}")
    found = adapter_of("ham10000").read(raw)
    assert found.notes == ("24 images lie there twice, as in a widely used copy; the first is read",)
    cohort = read_cohort(prepare_published("ham10000", raw, tmp_path / "c", image_size=4), group="sex")
    assert len(cohort) == 24
    other = raw / "ham_copy_of_images_part_1" / "ISIC_0024306.jpg"
    other.write_bytes(other.read_bytes() + b"another picture")
    with pytest.raises(CohortError, match="'ISIC_0024306' fits several images"):
        prepare_published("ham10000", raw, tmp_path / "d", image_size=4)


def test_ham10000_as_the_deposit_has_it(miniature: Miniature) -> None:
    raw = miniature("ham10000")
    whole = adapter_of("ham10000").read(raw).table
    quoted = pd.read_csv(raw / "HAM10000_metadata.csv", dtype=str)
    (raw / "HAM10000_metadata.csv").unlink()
    quoted.to_csv(raw / "HAM10000_metadata", index=False, quoting=csv.QUOTE_ALL)
    pd.testing.assert_frame_equal(adapter_of("ham10000").read(raw).table, whole)
    quoted.drop(columns="dataset").to_csv(raw / "HAM10000_metadata", index=False)  # some releases lack it
    pd.testing.assert_frame_equal(adapter_of("ham10000").read(raw).table, whole.drop(columns="dataset"))


# ---- ISIC 2019 ------------------------------------------------------------------------------------------------------


def test_isic_truth_must_be_one_hot(miniature: Miniature) -> None:
    raw = miniature("isic2019")
    path = raw / "ISIC_2019_Training_GroundTruth.csv"
    change(path, lambda t: t.assign(MEL=["1.0", *t["MEL"][1:]], NV=["1.0", *t["NV"][1:]]))
    with pytest.raises(CohortError, match="row 2 has 2 of 9 labels"):
        adapter_of("isic2019").read(raw)


def test_isic_rows_without_metadata_stay_with_missing_attributes(miniature: Miniature) -> None:
    raw = miniature("isic2019")
    whole = adapter_of("isic2019").read(raw).table
    change(raw / "ISIC_2019_Training_Metadata.csv", lambda t: t.iloc[4:])
    found = adapter_of("isic2019").read(raw)
    assert len(found.table) == len(whole)
    assert found.table["age"].iloc[:4].isna().all() and found.table["age"].iloc[4:].equals(whole["age"].iloc[4:])
    assert found.notes[0].startswith("4 training images have no row in the metadata")


def test_isic_metadata_must_name_an_image_once(miniature: Miniature) -> None:
    raw = miniature("isic2019")
    change(raw / "ISIC_2019_Training_Metadata.csv", lambda t: pd.concat([t, t.iloc[:1]]))
    with pytest.raises(CohortError, match=r"ISIC_2019_Training_Metadata\.csv: the id 'ISIC_0000000_downsampled'"):
        adapter_of("isic2019").read(raw)


def test_isic_ages_and_suffixes(miniature: Miniature) -> None:
    table = adapter_of("isic2019").read(miniature("isic2019")).table
    assert table["age"].iloc[0] == 30 and np.isnan(table["age"].iloc[3])
    assert table["image_id"].iloc[0] == "ISIC_0000000_downsampled"
    assert table["score_weight"].notna().sum() == 6, "the test part's own columns stay"
    assert table.loc[table["split"] == "test", "lesion_id"].isna().all()


# ---- SCIN -----------------------------------------------------------------------------------------------------------


def test_scin_takes_the_condition_of_the_greatest_weight(miniature: Miniature) -> None:
    raw = miniature("scin")
    change(
        raw / "scin_labels.csv",
        lambda t: t.assign(
            weighted_skin_condition_label=["{'Psoriasis': 0.2, 'ECZEMA': 0.8}", *t["weighted_skin_condition_label"][1:]]
        ),
    )
    found = adapter_of("scin").read(raw)
    by_case = found.table.drop_duplicates("case_id").set_index("case_id")["top_condition"]
    cases = [str(-3205742176803893704 + k) for k in range(6)]
    assert by_case[cases[:4]].tolist() == ["ECZEMA", "Insect Bite", "Tinea", "Stasis Dermatitis"]
    assert by_case[cases[4:]].isna().all(), "an empty list and an empty cell are no label"
    assert any(note.startswith("3 cases have several conditions of the same weight") for note in found.notes)
    rule = adapter_of("scin").label_map("ten_and_other")
    labels = dict(zip(found.table["case_id"], rule.apply(found.table[rule.column], where="scin"), strict=True))
    assert labels[cases[0]] == "Eczema" and labels[cases[3]] == "other" and labels[cases[4]] is None


@pytest.mark.parametrize("text", ["__import__('os').getcwd()", "{'Eczema': 'much'}", "['Eczema']", "{'Eczema': 1"])
def test_scin_dictionaries_are_read_as_data(text: str, miniature: Miniature) -> None:
    raw = miniature("scin")
    change(
        raw / "scin_labels.csv",
        lambda t: t.assign(
            weighted_skin_condition_label=[
                *t["weighted_skin_condition_label"][:1],
                text,
                *t["weighted_skin_condition_label"][2:],
            ]
        ),
    )
    with pytest.raises(CohortError, match=r"scin_labels\.csv: row 3: cannot read"):
        adapter_of("scin").read(raw)


def test_scin_has_a_row_for_each_image_and_keeps_cases_together(miniature: Miniature) -> None:
    table = adapter_of("scin").read(miniature("scin")).table
    assert len(table) == 27, "one, two or three images of 14 cases"
    assert table.groupby("case_id")["image_id"].count().max() == 3
    assert table["image"].str.startswith("dataset/images/-").all() and table["image_id"].str.startswith("-").all()


def test_scin_attributes(miniature: Miniature) -> None:
    table = adapter_of("scin").read(miniature("scin")).table
    cases = table.drop_duplicates("case_id").set_index("case_id")
    first = [cases.loc[str(-3205742176803893704 + k)] for k in range(6)]
    assert first[0]["race_ethnicity"] == "two or more" and first[2]["race_ethnicity"] == "white"
    assert pd.isna(first[1]["race_ethnicity"]), "preferring not to answer is missing"
    assert first[5]["race_ethnicity"] == "asian"
    assert first[1]["dermatologist_skin_type"] == "3", "the median of 2 and 3, rounded half up"
    assert first[3]["dermatologist_skin_type"] == "2" and pd.isna(first[0]["dermatologist_skin_type"])
    assert first[1]["skin_type"] == "5" and pd.isna(first[2]["skin_type"])
    assert first[1]["monk_skin_tone_label_us"] == "5" and pd.isna(first[0]["monk_skin_tone_label_us"])


def test_scin_older_column_name_is_not_needed(miniature: Miniature) -> None:
    raw = miniature("scin")
    other = "dermatologist_skin_condition_label_name"  # as the schema's text calls it
    change(raw / "scin_labels.csv", lambda t: t.rename(columns={"dermatologist_skin_condition_on_label_name": other}))
    assert other in adapter_of("scin").read(raw).table.columns


# ---- MILK10k, PAD-UFES-20, DermaMNIST -------------------------------------------------------------------------------


def test_milk10k_gives_both_images_of_a_lesion_its_diagnosis(miniature: Miniature) -> None:
    raw = miniature("milk10k")
    found = adapter_of("milk10k").read(raw)
    pairs = found.table[["lesion_id", "diagnosis"]].drop_duplicates()
    assert len(pairs) == 12 and len(found.table) == 24
    assert found.table["skin_tone_class"].isin(list("012345")).all(), "0 is a tone, not a missing value"
    assert "diagnosis_full" in found.table.columns
    change(raw / "MILK10k_Training_GroundTruth.csv", lambda t: t.iloc[1:])
    with pytest.raises(CohortError, match="no row for the lesion of 2 images"):
        adapter_of("milk10k").read(raw)


def test_pad_ufes_says_what_is_missing(miniature: Miniature) -> None:
    found = adapter_of("pad_ufes_20").read(miniature("pad_ufes_20"))
    missing = found.table["skin_type"].isna()
    assert set(found.table.loc[missing, "diagnostic"]) == {"ACK", "NEV"}
    assert found.table["sex"].isna().equals(missing)
    assert found.notes == ("skin type is missing for 8 images, which are not a random part of them",)
    assert found.table["image_id"].iloc[0] == "PAT_0_10_100" and found.table["image"].iloc[0] == "PAT_0_10_100.png"


def test_dermamnist_keeps_the_official_split(miniature: Miniature) -> None:
    raw = miniature("dermamnist")
    table = adapter_of("dermamnist").read(raw).table
    assert table["split"].value_counts().to_dict() == {"train": 16, "test": 6, "val": 4}
    assert (table["image_id"].str.partition("_")[0] == table["split"]).all()
    assert table["class_index"].iloc[16:20].tolist() == ["0", "1", "2", "3"]
    with np.load(raw / "dermamnist.npz") as archive:
        arrays = dict(archive)
    np.savez(raw / "dermamnist.npz", **{**arrays, "val_labels": arrays["val_labels"][:-1]})
    with pytest.raises(CohortError, match="4 val images but 3 labels"):
        adapter_of("dermamnist").read(raw)
    np.savez(raw / "dermamnist.npz", **{**arrays, "val_labels": np.array([object()] * 4)})
    with pytest.raises(CohortError, match="labels cannot be read"):
        adapter_of("dermamnist").read(raw)
