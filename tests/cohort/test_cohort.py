"""Cohorts: three ways to build one, what is refused, selecting, and the content hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

from everygroup.check import fingerprint
from everygroup.cohort import Cohort, split_cohort
from everygroup.cohort._build import MAX_CLASSES
from everygroup.errors import CohortError

IMAGES = np.arange(4 * 3 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3, 3)
TABLE = pd.DataFrame(
    {
        "image": ["a", "b", "c", "d"],
        "dx": ["nevus", "melanoma", "nevus", "melanoma"],
        "age": [30, 55, 70, None],
        "sex": ["f", "m", "f", "m"],
        "patient": ["p1", "p1", None, "p2"],
    }
)


def build(**changes: Any) -> Cohort:
    options: dict[str, Any] = {
        "label": "dx",
        "group": "age",
        "bins": {"age": "55"},
        "id_column": "image",
        "split_by": "patient",
    }
    return Cohort.from_table(changes.pop("images", IMAGES), changes.pop("table", TABLE), **(options | changes))


def from_arrays(**changes: Any) -> Cohort:
    options: dict[str, Any] = {"y": [0, 1, 0, 1], "classes": ["no", "yes"], "sensitive_features": {"sex": list("fmfm")}}
    return Cohort.from_arrays(IMAGES, **(options | changes))


def test_from_table() -> None:
    cohort = build(provenance={"name": "demo"})
    assert (len(cohort), cohort.classes, cohort.groups) == (4, ("melanoma", "nevus"), ("<=55", ">55"))
    assert cohort.y.tolist() == [1, 0, 1, 0]
    assert cohort.group.tolist() == [0, 0, 1, -1]
    assert cohort.ids.tolist() == ["a", "b", "c", "d"]
    assert cohort.units.tolist() == ["p1", "p1", "no patient: c", "p2"]
    assert (cohort.label, cohort.sensitive, cohort.sample_shape) == ("dx", ("age",), (3, 3, 3))
    assert repr(cohort) == ("Cohort('demo': 4 samples of (3, 3, 3), 2 classes, groups <=55, >55 by age, 1 missing)")


def test_from_table_defaults() -> None:
    cohort = build(id_column=None, split_by=None, group=["sex", "age"], table=TABLE.set_index("image"))
    assert cohort.ids.tolist() == cohort.units.tolist() == ["0", "1", "2", "3"]
    assert cohort.table.index.tolist() == [0, 1, 2, 3]
    assert cohort.groups == ("f & <=55", "f & >55", "m & <=55")


def test_rows_say_which_image_belongs_to_which_row() -> None:
    cohort = build(rows=np.array([3, 2, 1, 1]))
    npt.assert_array_equal(cohort.batch(np.array([0, 3])), IMAGES[[3, 1]])
    npt.assert_array_equal(cohort.batch(slice(1, 3)), IMAGES[[2, 1]])


def test_without_labels() -> None:
    cohort = build(label=None, classes=["x", 7], table=TABLE.drop(columns="dx"))
    assert cohort.classes == ("x", "7")
    assert cohort.y.tolist() == [-1] * 4
    with pytest.raises(CohortError, match="Neither a label column nor class names"):
        build(label=None)


def test_names_fixed_by_a_trained_model() -> None:
    cohort = build(classes=np.array(["nevus", "melanoma", "bcc"]), groups=(">55", "<=55"))
    assert cohort.y.tolist() == [0, 1, 0, 1]
    assert cohort.group.tolist() == [1, 1, 0, -1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "diagnosis"}, "No column 'diagnosis'"),
        ({"id_column": "Image"}, "No column 'Image'"),
        ({"split_by": "patients"}, "No column 'patients'"),
        ({"group": "aeg", "bins": None}, "No column 'aeg'"),
        ({"images": IMAGES[:3]}, "4 rows in the table but 3 images"),
        ({"table": TABLE.iloc[:0]}, "The table has no rows"),
        (
            {"table": TABLE.assign(dx=["nevus", None, "", "x"])},
            "2 of 4 labels in column 'dx' are missing.* row 3",
        ),
        (
            {"table": TABLE.assign(dx=["nevus", None, "nevus", "nevus"]), "classes": ["nevus", "melanoma"]},
            "1 of 4 labels in column 'dx' are missing.* row 3",
        ),
        ({"classes": ["nevus", "bcc"]}, "Row 3: unknown label 'melanoma'"),
        (
            {"table": TABLE.assign(image=["a", "b", "a", "b"])},
            r"The id 'a' stands in several rows \(0, 2, from 0\); 2 ids",
        ),
        ({"rows": np.array([0, 1, 2, 4])}, "points beyond the 4 images"),
        ({"rows": np.array([0, 1, 2, -1])}, "points beyond the 4 images"),
        ({"rows": np.array([0, 1])}, "4 rows in the table but 2 values of rows"),
        ({"images": IMAGES.astype(np.float64)}, "Images are float64"),
        ({"images": IMAGES[..., 0]}, r"uint8 images have shape \(4, 3, 3\)"),
    ],
)
def test_what_is_refused_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CohortError, match=words):
        build(**changes)


def test_a_blank_label_is_unknown_where_that_is_allowed() -> None:
    table = TABLE.assign(dx=["nevus", None, "", "melanoma"])
    cohort = build(table=table, classes=["nevus", "melanoma"], allow_unlabelled=True)
    assert cohort.y.tolist() == [0, -1, -1, 1]
    with pytest.raises(CohortError, match="unknown label 'naevus'"):
        build(table=TABLE.assign(dx="naevus"), classes=["nevus", "melanoma"], allow_unlabelled=True)


def test_a_label_column_of_free_text_is_refused() -> None:
    n = MAX_CLASSES + 1
    with pytest.raises(CohortError, match=f"{n} different texts in {n} rows"):
        Cohort.from_arrays(np.zeros((n, 2), np.float32), [f"t{i}" for i in range(n)], sensitive_features=["a"] * n)


def test_from_arrays_with_names_and_with_indices() -> None:
    by_index = from_arrays()
    by_name = from_arrays(y=["no", "yes", "no", "yes"], classes=None)
    assert by_index.classes == by_name.classes == ("no", "yes")
    assert by_index.y.tolist() == by_name.y.tolist() == [0, 1, 0, 1]
    assert from_arrays(classes=None).classes == ("0", "1")
    assert by_index.groups == ("f", "m")
    assert by_index.ids.tolist() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("names", [["none", "mild"], ["missing", "unknown"], ["1.0", "2.0"]])
def test_a_named_class_may_be_called_anything(names: list[str]) -> None:
    assert from_arrays(classes=names).classes == tuple(names)
    cohort = from_arrays(y=np.array(names)[[1, 0, 0, 1]], classes=names)
    assert cohort.y.tolist() == [1, 0, 0, 1]


def test_from_arrays_takes_tables_series_arrays_and_tensors() -> None:
    torch = pytest.importorskip("torch")
    frame = pd.DataFrame({"sex": list("fmfm"), "age": [1.0, np.nan, 3.0, 4.0]})
    cohort = from_arrays(
        y=torch.tensor([0, 1, 0, 1]),
        classes=None,
        sensitive_features=frame,
        group="age",
        units=torch.tensor([5, 5, 6, 7]),
        ids=np.array([9, 8, 7, 6]),
        extra=pd.DataFrame({"site": list("wxyz")}, index=[3, 2, 1, 0]),
    )
    assert cohort.classes == ("0", "1")
    assert cohort.groups == ("1", "3", "4")
    assert cohort.units.tolist() == ["5", "5", "6", "7"]
    assert cohort.ids.tolist() == ["9", "8", "7", "6"]
    assert cohort.table["site"].tolist() == list("wxyz")
    assert from_arrays(sensitive_features=pd.Series(list("abab"))).sensitive == ("group",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sensitive_features": {"sex": list("fmf")}}, "4 labels but 3 values of sex"),
        ({"ids": [1, 2]}, "4 labels but 2 values of ids"),
        ({"units": [1, 2]}, "4 labels but 2 values of units"),
        ({"y": [0, 1, 0, 2]}, "outside the 2 classes"),
        ({"y": [0, 1, 0, -1]}, "outside the 2 classes"),
        ({"sensitive_features": {"label": list("fmfm")}}, "Two columns would be called 'label'"),
        ({"sensitive_features": {"unit": list("fmfm")}, "units": [1, 2, 3, 4]}, "Two columns would be called 'unit'"),
        ({"extra": pd.DataFrame({"sex": list("fmfm")})}, "Two columns would be called 'sex'"),
        ({"extra": pd.DataFrame({"id": list("fmfm")})}, "Two columns would be called 'id'"),
    ],
)
def test_arrays_that_do_not_fit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CohortError, match=words):
        from_arrays(**changes)


def test_from_a_torch_dataset() -> None:
    torch = pytest.importorskip("torch")

    class Pictures(torch.utils.data.Dataset):  # as torchvision's, after ToTensor
        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> tuple[Any, ...]:
            image = torch.from_numpy(IMAGES[i]).permute(2, 0, 1).float() / 255
            return image, torch.tensor(i % 2), (torch.tensor(i // 2), "fm"[i % 2])

    cohort = Cohort.from_dataset(Pictures(), attributes=("tone", "sex"), classes=["no", "yes"], group="tone")
    npt.assert_array_equal(cohort.images, IMAGES)
    assert cohort.y.tolist() == [0, 1, 0, 1]
    assert cohort.groups == ("0", "1")
    assert cohort.table["sex"].tolist() == ["f", "m", "f", "m"]


@pytest.mark.parametrize(
    ("image", "shape", "value"),
    [
        (np.full((5, 6, 3), 7, np.uint8), (5, 6, 3), 7),
        (np.full((5, 6), 7, np.uint8), (5, 6, 1), 7),
        (np.full((3, 5, 6), 7, np.uint8), (5, 6, 3), 7),
        (np.full((3, 5, 3), 7, np.uint8), (3, 5, 3), 7),
        (np.full((1, 5, 6), 0.5, np.float32), (5, 6, 1), 128),
        (np.full((5, 6), 1.0), (5, 6, 1), 255),
        (np.full(9, -2.5), (9,), -2.5),
    ],
)
def test_a_data_sets_images_become_pixels_or_vectors(image: np.ndarray, shape: tuple[int, ...], value: float) -> None:
    cohort = Cohort.from_dataset([(image, "a", "x"), (image, "b", "y")])
    assert cohort.sample_shape == shape
    assert (cohort.images == value).all()


@pytest.mark.parametrize(
    ("items", "options", "words"),
    [
        ([], {}, "empty"),
        ([(np.full((3, 4, 4), 1.5), 0, 0)], {}, r"Image 0 .* outside \[0, 1\]"),
        ([(np.full((3, 4, 4), np.nan), 0, 0)], {}, r"Image 0 .* outside \[0, 1\]"),
        ([(np.zeros((4, 4), np.int32), 0, 0)], {}, "Image 0 of the data set is int32"),
        ([(np.zeros((4, 4)), 0, 0), (np.zeros((4, 5)), 0, 0)], {}, "differ in size"),
        ([(np.zeros((4, 4)), 0, (0, 1))], {"attributes": "tone"}, "Item 0 .* has 2 attributes, but 1 are named"),
    ],
)
def test_data_sets_that_cannot_be_used(items: list[Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(CohortError, match=words):
        Cohort.from_dataset(items, **options)


def test_where_by_mask_and_by_index(tiny_cohort: Callable[..., Cohort]) -> None:
    cohort = tiny_cohort(12, groups=3, missing=2)
    part = cohort.where(cohort.y == 1)
    assert part.images is cohort.images
    assert (part.classes, part.groups, part.rule) == (cohort.classes, cohort.groups, cohort.rule)
    assert (part.y == 1).all()
    npt.assert_array_equal(part.ids, cohort.ids[cohort.y == 1])
    assert part.table["id"].tolist() == part.ids.tolist()
    again = part.where([3, 0])
    npt.assert_array_equal(again.batch(slice(None)), cohort.images[[7, 1]])
    assert len(cohort.where([])) == len(cohort.where(np.zeros(12, bool))) == 0
    with pytest.raises(CohortError, match="A mask of 5 for 12 samples"):
        cohort.where(np.ones(5, bool))
    with pytest.raises(CohortError, match="stands in several rows"):
        cohort.where([1, 1])


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_float_images_outside_0_to_1_are_refused_and_vectors_are_not(value: float) -> None:
    images = IMAGES.astype(np.float32) / 255
    assert len(build(images=images)) == 4
    images[2, 1, 1, 1] = value
    with pytest.raises(CohortError, match="outside"):  # augmentation would clamp them in training only
        build(images=images)
    assert len(build(images=images.reshape(4, -1))) == 4


def test_in_group(tiny_cohort: Callable[..., Cohort]) -> None:
    cohort = tiny_cohort(12, groups=3, missing=2)
    assert sum(len(cohort.in_group(g)) for g in cohort.groups) == 10
    assert set(cohort.in_group("g1").table["tone"]) == {"g1"}
    with pytest.raises(CohortError, match="Unknown group 'g9'") as caught:
        cohort.in_group("g9")
    assert caught.value.fix == "the groups are g0, g1, g2"


def test_the_content_hash_tells_every_change() -> None:
    other = IMAGES.copy()
    other[2, 1, 1, 1] += 1
    versions = [
        build(),
        build(images=other),
        build(images=IMAGES.astype(np.float32) / 255),
        build(rows=np.array([0, 1, 3, 2])),
        build(table=TABLE.assign(dx=["nevus", "melanoma", "nevus", "nevus"])),
        build(table=TABLE.assign(dx=["nevus", "mel", "nevus", "mel"])),
        build(table=TABLE.assign(age=[30, 56, 70, None])),
        build(table=TABLE.assign(age=[30, 55, 70, 20])),
        build(table=TABLE.assign(image=["a", "b", "c", "e"])),
        build(bins={"age": "54"}),
        build(groups=(">55", "<=55")),
        build(classes=["melanoma", "nevus", "bcc"]),
        build().where([0, 1, 2]),
        build().where([1, 0, 2, 3]),
    ]
    assert len({cohort.content_hash for cohort in versions}) == len(versions)


def test_the_content_hash_ignores_what_no_result_depends_on() -> None:
    same = [
        build(table=TABLE[TABLE.columns[::-1]]),
        build(table=TABLE.assign(note="x")),
        build(provenance={"name": "other"}),
        build().where([True] * 4),
        build(images=IMAGES.copy()),
    ]
    assert {cohort.content_hash for cohort in same} == {build().content_hash}


def test_a_known_hash_of_the_store_is_not_computed_again() -> None:
    cohort = build(images_hash="abc")
    assert cohort.images_hash == cohort.where([0]).images_hash == "abc"
    assert cohort.content_hash != build().content_hash


def test_image_hashes_tell_identical_pictures() -> None:
    hashes = build(rows=np.array([0, 1, 0, 2])).image_hashes
    assert hashes[0] == hashes[2]
    assert len(set(hashes)) == 3


def test_a_memory_map_works_as_a_store(tmp_path: Any) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    store = np.load(tmp_path / "images.npy", mmap_mode="r")
    cohort = build(images=store)
    assert cohort.content_hash == build().content_hash
    npt.assert_array_equal(cohort.batch(np.array([2])), IMAGES[2:3])


def test_a_cohort_is_split_and_described(tiny_cohort: Callable[..., Cohort]) -> None:
    cohort = tiny_cohort(60)
    split = split_cohort(cohort, (0.5, 0.25, 0.25), seed=3)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [30, 15, 15]
    assert "60" in str(fingerprint(cohort, split))


def test_labels_of_other_spellings_are_named_with_the_option_that_maps_them() -> None:
    table = pd.DataFrame({"y": ["Sick", "well", "Sick", "gesund"], "sex": ["f", "m"] * 2})
    images = np.zeros((4, 2, 2, 3), np.uint8)
    with pytest.raises(CohortError, match=r"unknown labels 'Sick' \(2 rows\), 'gesund' \(1 rows\)") as error:
        Cohort.from_table(images, table, label="y", group="sex", classes=["sick", "well"])
    assert error.value.fix == "--map y:Sick=sick"
    with pytest.raises(CohortError) as error:
        Cohort.from_table(images, table.iloc[[1, 3]], label="y", group="sex", classes=["sick", "well"], rows=[1, 3])
    assert "--map 'y:gesund=CLASS'" in str(error.value.fix)
