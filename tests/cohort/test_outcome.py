"""Cohorts of every target: what is read, counted, split and hashed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

from everygroup.check import fingerprint
from everygroup.cohort import Cohort, GroupRule, split_cohort
from everygroup.cohort.outcome import TARGETS
from everygroup.errors import CohortError
from everygroup.imaging.duplicates import find_duplicates

Make = Callable[..., Cohort]
N = 60
SEX = ["f", "m"] * (N // 2)
NAN = float("nan")


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (N, 8, 8, 3)).astype(np.uint8)


def cohort_of(target: str, **changes: Any) -> Cohort:
    """60 samples of a target; every third has the first finding, the lesion, or is an anomaly."""
    third = np.arange(N) % 3 == 0
    masks = np.zeros((N, 8, 8), np.uint8)
    masks[third, :2] = 1
    masks[:, 7, 7] = 2
    options: dict[str, dict[str, Any]] = {
        "classes": {"y": np.where(third, "a", "b")},
        "labels": {
            "y": np.stack([third, np.where(np.arange(N) < 6, np.nan, 1.0)], axis=1),
            "classes": ["edema", "mass"],
        },
        "number": {"y": np.arange(N) / 2},
        "mask": {"truth": masks, "classes": ["lesion", "dot"]},
        "anomaly": {"y": np.where(third, "ill", "well"), "normal": "well"},
        "image": {"truth": images(1)},
    }
    return Cohort.from_arrays(
        images(), **{"target": target, "sensitive_features": {"sex": SEX}, **options[target], **changes}
    )


@pytest.mark.parametrize("target", TARGETS)
def test_parts_keep_everything_of_their_samples(target: str) -> None:
    whole = cohort_of(target)
    part = whole.where(np.arange(N) % 4 == 1).where([3, 1])
    assert (part.target, part.classes, part.groups) == (target, whole.classes, whole.groups)
    npt.assert_array_equal(part.y, whole.y[[13, 5]])
    npt.assert_array_equal(part.batch(slice(None)), whole.batch(np.array([13, 5])))
    assert part.table["id"].tolist() == part.rows.tolist() == [13, 5]
    assert part.content_hash != whole.content_hash
    assert part.images_hash == whole.images_hash and part.truth_hash == whole.truth_hash
    if target in ("mask", "image"):
        npt.assert_array_equal(part.truth_batch(slice(None)), whole.truth[[13, 5]])  # type: ignore[index]
    else:
        with pytest.raises(CohortError, match="has no masks"):
            part.truth_batch(slice(None))


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_split_counted_and_shown(target: str) -> None:
    cohort = cohort_of(target)
    split = split_cohort(cohort)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [36, 12, 12]
    found = fingerprint(cohort, split)
    text = found.to_text()
    assert ("total" in text.split("Share")[0].split("Missing")[0].replace("total)", "")) or found.overlaps
    assert found.to_dict()["units"][0]["n"] == N
    assert cohort.by_group["n"].tolist() == [30, 30]
    assert f"target {target}" in repr(cohort) or target == "classes"
    assert "<table>" in cohort._repr_html_()


def test_findings_are_counted_one_by_one() -> None:
    cohort = cohort_of("labels")
    assert cohort.y.dtype == np.float32 and cohort.y.shape == (N, 2)
    assert cohort.by_group[["edema", "mass"]].to_numpy().tolist() == [[10, 27], [10, 27]]
    rates = fingerprint(cohort).prevalence.set_index(["group", "label"])
    assert rates.loc[("f", "edema"), ["n", "n_positive"]].tolist() == [30, 10]
    assert rates.loc[("f", "mass"), ["n", "n_positive"]].tolist() == [27, 27]
    assert cohort.label_columns == ("edema", "mass")
    assert cohort.outcome.texts(np.array([0, 1, 6])) == ["edema", "none", "edema + mass"]


def test_a_split_spreads_findings_and_numbers() -> None:
    """Each part has a third with edema, exactly; and each fifth of the numbers its share."""
    for part in (split_cohort(cohort_of("labels", y=np.stack([np.arange(N) % 3 == 0] * 2, 1))).test,):
        assert part.y[:, 0].mean() == pytest.approx(1 / 3)
    number = split_cohort(cohort_of("number")).test
    counts = np.bincount(number.outcome.strata, minlength=5)
    assert counts.min() >= 2 and number.outcome.names[0] == "up to 5.9"


def test_small_groups_of_numbers_are_told_as_a_whole() -> None:
    cohort = cohort_of("number", sensitive_features=["f"] * 52 + ["m"] * 8)
    (told,) = [text for text in fingerprint(cohort).warnings if "fewer than" in text]
    assert told.startswith("1 cell with fewer than 10 samples") and "any number & m (8)" in told


def test_a_part_counts_by_the_fifths_of_the_whole() -> None:
    whole = cohort_of("number")
    small = whole.where(whole.y < 7)
    assert small.outcome.names == whole.outcome.names
    assert small.by_group.sum()[list(whole.outcome.names)].tolist() == [12, 2, 0, 0, 0]


def test_anomalies_are_what_is_not_normal() -> None:
    cohort = cohort_of("anomaly")
    assert cohort.classes == ("normal", "anomaly") and cohort.y.sum() == 20
    with pytest.raises(CohortError, match="'healthy' does not occur; there are ill, well"):
        cohort_of("anomaly", normal="healthy")
    with pytest.raises(CohortError, match="is not given") as refused:
        cohort_of("anomaly", normal=None)
    assert refused.value.fix == "name it, as in --normal 'ill'"


def test_masks_are_counted_by_structure() -> None:
    cohort = cohort_of("mask")
    assert cohort.by_group[["lesion", "dot"]].to_numpy().tolist() == [[10, 30], [10, 30]]
    assert cohort_of("mask", classes=None).classes == ("structure 1", "structure 2")


@pytest.mark.parametrize("target", TARGETS)
def test_the_hash_tells_targets_and_truths_apart(target: str) -> None:
    cohort = cohort_of(target)
    assert cohort.content_hash == cohort_of(target).content_hash
    if cohort.truth is not None:
        changed = cohort.truth.copy()
        changed[0, 0, 0] += 1
        assert cohort_of(target, truth=changed).content_hash != cohort.content_hash


def test_hashes_of_class_cohorts_are_what_they_were(tiny_cohort: Make) -> None:
    cohort = tiny_cohort(60, missing=5, images_a_unit=2)
    assert cohort.content_hash == "0275188a7bcb3827e4cae5bfdc8a35e3"
    assert split_cohort(cohort).train.content_hash == "3311808f92a017d4168c0b54942ff20e"


def test_other_groups_of_the_same_samples() -> None:
    cohort = cohort_of("mask")
    by_id = cohort.grouped_by(GroupRule.make("id", {"id": "29"}))
    assert by_id.groups == ("<=29", ">29") and by_id.group.sum() == 30
    assert by_id.truth is cohort.truth and by_id.content_hash != cohort.content_hash


def test_copies_with_other_truths_are_told() -> None:
    same = images()
    same[1] = same[0]
    number = Cohort.from_arrays(same, np.arange(N) * 1.0, sensitive_features=SEX, target="number")
    assert fingerprint(number).duplicates["conflicting_labels"] == 1
    pair = find_duplicates(number).pairs.iloc[0]
    assert (pair["same_label"], pair["label_a"], pair["label_b"]) == (False, "0", "1")
    masks = np.zeros((N, 8, 8), np.uint8)
    mask = Cohort.from_arrays(same, sensitive_features=SEX, target="mask", truth=masks, classes=["lesion"])
    assert fingerprint(mask).duplicates["conflicting_labels"] == 0
    assert find_duplicates(mask).pairs.iloc[0]["same_label"]


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": range(4), "sex": list("fmfm"), **columns})


def test_findings_are_read_from_columns() -> None:
    read = table(edema=["1", "0", None, "yes"], mass=[1.0, 0.0, 1.0, NAN])
    cohort = Cohort.from_table(images()[:4], read, label=["edema", "mass"], group="sex", target="labels")
    npt.assert_array_equal(cohort.y, np.array([[1, 1], [0, 0], [NAN, 1], [1, NAN]], np.float32))
    with pytest.raises(
        CohortError, match=r"row 3, column 'mass': '-1' is neither 1 nor 0\n.*row 5, column 'mass': '2'"
    ):
        odd = table(edema=[1, 0, 1, 0], mass=[1, -1, 0, 2])
        Cohort.from_table(images()[:4], odd, label=["edema", "mass"], group="sex", target="labels")
    empty = table(edema=[1, NAN, 1, 0], mass=[1, NAN, 0, 1])
    with pytest.raises(CohortError, match="1 of 4 rows have no 'edema' nor 'mass', the first row 3"):
        Cohort.from_table(images()[:4], empty, label=["edema", "mass"], group="sex", target="labels")


def test_numbers_are_read_from_a_column() -> None:
    read = table(score=["1.5", "2", "3", "-4"])
    assert Cohort.from_table(images()[:4], read, label="score", group="sex", target="number").y.tolist() == [
        1.5,
        2.0,
        3.0,
        -4.0,
    ]
    with pytest.raises(CohortError, match="row 3, column 'score': 'mild' is no number"):
        Cohort.from_table(images()[:4], table(score=[1, "mild", 3, 4]), label="score", group="sex", target="number")
    with pytest.raises(CohortError, match="1 of 4 rows have no 'score', the first row 5"):
        Cohort.from_table(images()[:4], table(score=[1, 2, 3, NAN]), label="score", group="sex", target="number")
    unknown = Cohort.from_table(
        images()[:4], table(score=[1, 2, 3, NAN]), label="score", group="sex", target="number", allow_unlabelled=True
    )
    assert np.isnan(unknown.y[3]) and unknown.outcome.strata.tolist()[3] == -1


def test_nothing_is_known_of_what_is_only_predicted() -> None:
    pictures = images()[:4]
    labels = Cohort.from_table(
        pictures, table(), label=None, group="sex", target="labels", classes=["a", "b"], allow_unlabelled=True
    )
    assert np.isnan(labels.y).all() and labels.outcome.texts(np.arange(4)) == ["unknown"] * 4
    number = Cohort.from_table(pictures, table(), label=None, group="sex", target="number", allow_unlabelled=True)
    assert np.isnan(number.y).all()


@pytest.mark.parametrize(
    ("target", "changes", "said"),
    [
        ("mask", {"truth": np.zeros((N, 4, 4), np.uint8)}, "The masks are uint8"),
        ("mask", {"truth": None}, "there is no truth"),
        ("image", {"truth": np.zeros((N, 8, 8, 3))}, "The undegraded images are float64"),
        ("labels", {"y": np.full((N, 2), 0.5)}, "0.5"),
        ("labels", {"y": np.zeros((N, 3))}, "y has shape"),
        ("number", {"y": np.full(N, np.inf)}, "inf"),
        ("classes", {"truth": np.zeros((N, 8, 8), np.uint8)}, "takes no truth"),
    ],
)
def test_what_does_not_fit_the_target_is_refused(target: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CohortError, match=said):
        cohort_of(target, **changes)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(CohortError, match="Unknown target 'colour'"):
        Cohort.from_arrays(images(), np.arange(N), sensitive_features=SEX, target="colour")  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["mask", "image", "labels"])
def test_data_sets_of_masks_images_and_findings(target: str) -> None:
    source = cohort_of(target)
    told = source.y if target == "labels" else source.truth
    assert told is not None
    items = [(source.images[i], told[i], SEX[i]) for i in range(N)]
    cohort = Cohort.from_dataset(items, attributes="sex", target=target, classes=source.classes or None)
    npt.assert_array_equal(cohort.y, source.y)
    if target != "labels":
        npt.assert_array_equal(cohort.truth_batch(slice(None)), told)


def test_volumes_are_images_too() -> None:
    volumes = np.zeros((N, 4, 4, 4, 1), np.uint8)
    cohort = Cohort.from_arrays(
        volumes, sensitive_features=SEX, target="mask", truth=volumes[..., 0], classes=["organ"]
    )
    assert cohort.sample_shape == (4, 4, 4, 1) and cohort.truth_batch(slice(2)).shape == (2, 4, 4, 4)


def test_other_pictures_of_the_same_samples() -> None:
    part = cohort_of("mask").where(np.arange(N) % 2 == 1)
    restored = part.batch(slice(None)) // 2
    changed = part.with_images(restored)
    npt.assert_array_equal(changed.batch(np.array([3])), restored[[3]])
    npt.assert_array_equal(changed.truth_batch(slice(None)), part.truth_batch(slice(None)))
    assert changed.ids.tolist() == part.ids.tolist() and changed.images_hash != part.images_hash
    with pytest.raises(CohortError, match="5 images for 30 samples"):
        part.with_images(restored[:5])
