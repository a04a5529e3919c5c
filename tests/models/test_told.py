"""What a model tells of samples that are no single classes: tables, pictures, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit.door import audit_table
from everygroup.audit.predicted import audit_predictions, normal_scores
from everygroup.cohort import Cohort, split_cohort
from everygroup.errors import CohortError, PredictionsError
from everygroup.imaging.npz import NpzImages
from everygroup.methods import create_method
from everygroup.metrics.segmentation import dice, iou
from everygroup.models import RoutedModel
from everygroup.models.told import of_images, told
from everygroup.predictions import TargetPredictions
from everygroup.settings import TrainSettings
from everygroup.targets import Anomaly, Image, Labels, Mask, Number

from ..targets.made_up import TARGETS, world

NAN = float("nan")


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[RoutedModel, Cohort]]:
    """A model of every target after two updates, and its test cohort."""
    settings = TrainSettings.make({"updates": 2, "batch_size": 16, "augment": "none"})
    found = {}
    for target in TARGETS:
        split = split_cohort(world(target, n=90, missing=3))
        found[target] = create_method("erm").fit(split.train, split.validation, settings=settings), split.test
    return found


def predict(models: dict[str, tuple[RoutedModel, Cohort]], target: str) -> TargetPredictions:
    model, test = models[target]
    found = model.predict(test, split="test")
    assert isinstance(found, TargetPredictions)
    return found


def test_dice_and_iou_of_every_image_and_structure() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, (5, 6, 6)).astype(np.uint8)
    true[3], true[4][true[4] == 2] = 0, 1
    answered = rng.integers(0, 3, (5, 6, 6))
    answered[3] = 0
    answered[4][answered[4] == 2] = 0
    cohort = Cohort.from_arrays(
        np.zeros((5, 6, 6, 1), dtype=np.uint8),
        truth=true,
        classes=["cup", "disc"],
        target="mask",
        sensitive_features=["a", "b", "a", "b", "a"],
    )
    answers = np.eye(3)[answered].transpose(0, 3, 1, 2)
    found = told(Mask(["background", "cup", "disc"]), cohort, [(slice(0, 2), answers[:2]), (slice(2, 5), answers[2:])])
    for i in (0, 1, 2, 4):
        classes = [1, 2] if i != 4 else [1]
        pair = {"y_true": true[i : i + 1], "y_pred": answered[i : i + 1], "classes": classes}
        assert found.columns["dice"][i] == pytest.approx(float(dice(**pair)))
        assert found.columns["iou"][i] == pytest.approx(float(iou(**pair)))
    assert np.isnan([found.columns[c][3] for c in ("dice", "iou", "dice[cup]", "dice[disc]")]).all()
    assert np.isnan(found.columns["dice[disc]"][4])
    assert found.columns["true_size"].tolist() == (true > 0).sum((1, 2)).tolist()
    assert found.pictures is not None and found.pictures.dtype == np.uint8
    np.testing.assert_array_equal(found.pictures, answered)


def test_psnr_and_nmse_of_every_image() -> None:
    y = np.stack([np.full((1, 2, 2), 0.5), np.zeros((1, 2, 2)), np.full((1, 2, 2), 0.25)])
    f = y + np.array([0.1, 0.01, 0.0])[:, None, None, None]
    found = of_images(y, f)
    np.testing.assert_allclose(found["psnr"], [20, 40, NAN])
    np.testing.assert_allclose(found["nmse"], [0.04, NAN, 0])


def test_columns_of_a_table(models: dict[str, tuple[RoutedModel, Cohort]]) -> None:
    rows = ["site", "group", "split", "route", "model"]
    columns = {
        "labels": ["true_disc", "true_edge", "score_disc", "score_edge"],
        "number": ["y_true", "y_pred"],
        "mask": ["dice", "iou", "true_size"],
        "anomaly": ["y_true", "anomaly_score"],
        "image": ["psnr", "nmse"],
    }
    for target in TARGETS:
        found, test = predict(models, target), models[target][1]
        assert found.table.columns.tolist() == ["id", "unit", *columns[target], *rows]
        assert found.ids.tolist() == test.ids.tolist()
        missing = (test.group < 0).sum()
        assert (found.table["site"] == "").sum() == missing and found.attributes["site"].isna().sum() == missing
    numbers = predict(models, "number")
    np.testing.assert_allclose(numbers.numbers("y_true"), models["number"][1].y)
    np.testing.assert_array_equal(numbers.numbers("y_pred"), models["number"][0].answers(models["number"][1]))
    labels = predict(models, "labels")
    np.testing.assert_array_equal(labels.scores("true_"), models["labels"][1].y)
    ill = predict(models, "anomaly").table["y_true"]
    assert ill.tolist() == np.array(["normal", "anomaly"])[models["anomaly"][1].y].tolist()


def test_pictures_are_written_and_read_again(models: dict[str, tuple[RoutedModel, Cohort]], tmp_path: Path) -> None:
    mask, image = predict(models, "mask"), predict(models, "image")
    with np.load(mask.save_pictures(tmp_path / "masks.npz")) as archive:
        probabilities = models["mask"][0].answers(models["mask"][1])
        np.testing.assert_array_equal(archive["masks"], probabilities.argmax(1))
        assert archive["ids"].tolist() == mask.ids.tolist()
    again = NpzImages(image.save_pictures(tmp_path / "images.npz"))
    assert again.ids.tolist() == image.ids.tolist() and again.shape == image.pictures.shape
    with pytest.raises(PredictionsError, match="have no pictures"):
        predict(models, "number").save_pictures(tmp_path / "none.npz")


@pytest.mark.parametrize("target", [t for t in TARGETS if t != "image"])
def test_the_table_alone_gives_the_same_audit(
    target: str, models: dict[str, tuple[RoutedModel, Cohort]], tmp_path: Path
) -> None:
    found = predict(models, target)
    within = audit_predictions(found, n_boot=20, min_n=2).table
    path = found.to_csv(tmp_path / "predictions.csv")
    read = audit_table(path, groups=["site"], n_boot=20, min_n=2).table
    values = [
        t[t["metric"].isin(["mae", "dice", "iou", "auc", "label_macro_auc"])].set_index(["metric", "group"])["value"]
        for t in (within, read)
    ]
    assert len(values[1]) >= 3
    pd.testing.assert_series_equal(values[0].loc[values[1].index], values[1], rtol=1e-6)


def test_dice_by_region_from_a_model(models: dict[str, tuple[RoutedModel, Cohort]]) -> None:
    found = predict(models, "mask")
    regions = np.ones((16, 16), dtype=int)
    regions[:, 8:] = 2
    for where in ({"blocks": 8}, {"regions": regions}):
        cells = audit_predictions(found, n_boot=20, min_n=2, **where).cells
        n_places = 4 if "blocks" in where else 2
        assert cells["label"].nunique() == n_places and set(cells["metric"]) == {"dice_pooled"}
    row = cells[(cells["label"] == "at 2") & (cells["group"] == "g0")].iloc[0]
    own = found.table["site"] == "g0"
    true, answered = (m[own.to_numpy()][:, :, 8:] for m in (found.truth, found.pictures))
    assert row["value"] == pytest.approx(2 * ((true == 1) & (answered == 1)).sum() / (true.sum() + answered.sum()))


@pytest.mark.parametrize("target", TARGETS)
def test_new_samples_need_no_truth(target: str, models: dict[str, tuple[RoutedModel, Cohort]]) -> None:
    model, test = models[target]
    plain = Cohort.from_arrays(
        test.batch(slice(None)), ["a", "b"] * (len(test) // 2), sensitive_features={"site": test.table["site"]}
    )
    found = model.predict(plain)
    assert isinstance(found, TargetPredictions) and len(found) == len(test)
    if target in ("mask", "image"):
        np.testing.assert_array_equal(found.pictures, predict(models, target).pictures)
    with pytest.raises(PredictionsError, match="No sample has a known truth"):
        audit_predictions(found)


def test_another_list_of_findings_is_refused(models: dict[str, tuple[RoutedModel, Cohort]]) -> None:
    model, test = models["labels"]
    renamed = Cohort.from_arrays(
        test.batch(slice(None)),
        test.y,
        classes=["edge", "disc"],
        sensitive_features={"site": test.table["site"]},
        target="labels",
    )
    with pytest.raises(CohortError, match="findings or structures are edge, disc"):
        model.predict(renamed)


def test_parts_and_pairs_of_predictions(models: dict[str, tuple[RoutedModel, Cohort]]) -> None:
    found = predict(models, "mask")
    assert found.pictures is not None and found.truth is not None
    part = found.where(found.table["site"] == "g1")
    assert len(part) == len(part.pictures) == len(part.truth) < len(found)
    ours, theirs = part.matching(found.where(np.arange(len(found))[::-1]))
    assert ours.ids.tolist() == theirs.ids.tolist()
    np.testing.assert_array_equal(ours.pictures, theirs.pictures)
    assert len(found.of_split("test")) == len(found)
    with pytest.raises(PredictionsError, match="No row has the split 'train'"):
        found.of_split("train")
    with pytest.raises(PredictionsError, match="are of 'mask' and of 'number'"):
        found.matching(predict(models, "number"))


def test_scores_of_validation_normals_set_the_audits_cut(models: dict[str, tuple[RoutedModel, Cohort]]) -> None:
    found = predict(models, "anomaly")
    both = replace(found, table=found.table.assign(split=["validation", "test"] * (len(found) // 2)))
    normals = normal_scores(both)
    wanted = both.table[(both.table["split"] == "validation") & (both.table["y_true"] == "normal")]
    assert normals.tolist() == wanted["anomaly_score"].tolist()
    result = audit_predictions(both.of_split("test"), validation_normals=normals, n_boot=20, min_n=2)
    assert "normals_fpr" in set(result.table["metric"])


def test_classes_of_targets_are_those_of_cohorts() -> None:
    assert Labels(["a"]).classes == ("a",) and Mask(["background", "a"]).classes == ("a",)
    assert Number("age").classes == () == Image(1).classes and Anomaly().classes == ("normal", "anomaly")
