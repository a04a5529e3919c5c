"""Routing: which network answers for whom, and what is written about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split
from everygroup.console import clear_warnings, recorded_warnings
from everygroup.errors import CohortError, EverygroupError, SettingsError
from everygroup.methods import ERM, GroupModel, Spare, Store
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings


def probabilities(model: RoutedModel, network: str, cohort: Cohort) -> np.ndarray:
    """What one network of a model says, without any routing."""
    return model.outputs(network, cohort).double().softmax(1).numpy()


@pytest.fixture(scope="module")
def spare(two: Split, vector_settings: TrainSettings, shared_store: Store) -> RoutedModel:
    return Spare(pooled=True).fit(two.train, two.validation, settings=vector_settings, store=shared_store)


@pytest.fixture(scope="module")
def group_model(two: Split, vector_settings: TrainSettings, shared_store: Store) -> RoutedModel:
    return GroupModel().fit(two.train, two.validation, settings=vector_settings, store=shared_store)


def regrouped(cohort: Cohort, names: list[str]) -> Cohort:
    return Cohort.from_arrays(
        cohort.batch(slice(None)), cohort.y, classes=cohort.classes, sensitive_features={"a": names}, ids=cohort.ids
    )


def test_recorded_group_decides(spare: RoutedModel, two: Split) -> None:
    score = spare.predict_proba(two.test)
    for g, name in enumerate(two.test.groups):
        members = two.test.group == g
        np.testing.assert_array_equal(score[members], probabilities(spare, name, two.test.where(members)))


def test_missing_group_goes_to_the_predicted_one(spare: RoutedModel, two: Split) -> None:
    nobody = regrouped(two.test, [""] * len(two.test))
    table = spare.predict(nobody).table
    guess = probabilities(spare, "group predictor", two.test).argmax(1)
    assert list(table["route"]) == [f"predicted: {two.test.groups[g]}" for g in guess]
    assert (table["group"] == "").all()
    np.testing.assert_array_equal(spare.predict_proba(nobody), spare.predict_proba(two.test, routing="predicted"))


def test_soft_is_the_mean_weighted_by_the_group_predictor(spare: RoutedModel, two: Split) -> None:
    share = probabilities(spare, "group predictor", two.test)
    each = [probabilities(spare, name, two.test) for name in two.test.groups]
    np.testing.assert_allclose(
        spare.predict_proba(two.test, routing="soft"), share[:, :1] * each[0] + share[:, 1:] * each[1]
    )
    assert set(spare.predict(two.test, routing="soft").table["route"]) == {"soft"}


def test_pooled_fallback_and_mean_of_groups(spare: RoutedModel, group_model: RoutedModel, two: Split) -> None:
    nobody = regrouped(two.test, [""] * len(two.test))
    pooled = spare.predict(nobody, when_missing="pooled")
    assert set(pooled.table["route"]) == {"pooled"}
    np.testing.assert_array_equal(pooled.y_score, probabilities(spare, "pooled", two.test))
    mean = group_model.predict(nobody)
    assert set(mean.table["route"]) == {"mean of groups"}
    each = [probabilities(group_model, name, two.test) for name in two.test.groups]
    np.testing.assert_allclose(mean.y_score, (each[0] + each[1]) / 2)


def test_group_unknown_at_training_is_said_and_routed_as_missing(spare: RoutedModel, two: Split) -> None:
    clear_warnings()
    names = ["new"] * 3 + [two.test.groups[g] for g in two.test.group[3:]]
    table = spare.predict(regrouped(two.test, names)).table
    assert table["route"].iloc[:3].str.startswith("predicted: ").all()
    assert any("3 samples belong to groups unknown at training ('new';" in w for w in recorded_warnings())


def test_group_unknown_at_training_is_said_of_a_cohort_with_the_models_groups(spare: RoutedModel, two: Split) -> None:
    clear_warnings()
    table = two.test.table.copy()
    table["a"] = [*["new", "newer", None], *table["a"][3:]]
    images = two.test.batch(slice(None))
    for column, wanted in (
        (table["a"], ["2 samples belong to groups unknown at training ('new', 'newer'"]),
        (None, []),
        (two.test.table["a"], []),
    ):
        clear_warnings()
        cohort = Cohort.from_table(
            images,
            table.assign(a=column),
            label=None,
            group="a",
            id_column="id",
            classes=spare.classes,
            groups=spare.groups,
        )
        spare.predict(cohort)
        assert [w.split(";")[0] for w in recorded_warnings()] == wanted


def test_unlabelled_cohorts_can_be_predicted(spare: RoutedModel, two: Split) -> None:
    blind = Cohort.from_table(
        two.test.batch(slice(None)), two.test.table, label=None, group="a", id_column="id", classes=spare.classes
    )
    predictions = spare.predict(blind)
    assert (predictions.y_true == -1).all()
    np.testing.assert_array_equal(predictions.y_score, spare.predict_proba(two.test))


def test_other_classes_shapes_and_unknown_labels(spare: RoutedModel, two: Split) -> None:
    one = two.test.where(two.test.y == 1)
    fewer = Cohort.from_arrays(
        one.batch(slice(None)), ["yes"] * len(one), sensitive_features={"a": [one.groups[g] for g in one.group]}
    )
    assert (spare.predict(fewer).y_true == 1).all()
    wrong = Cohort.from_arrays(
        one.batch(slice(None)), ["maybe"] * len(one), sensitive_features={"a": ["g0"] * len(one)}
    )
    with pytest.raises(CohortError, match=r"'maybe'.*unknown to the model"):
        spare.predict(wrong)
    narrow = Cohort.from_arrays(np.zeros((4, 2), np.float32), ["yes"] * 4, sensitive_features={"a": ["g0"] * 4})
    with pytest.raises(CohortError, match=r"shape \(4,\), these have \(2,\)"):
        spare.predict(narrow)


def test_saved_model_without_code_and_damaged_ones(spare: RoutedModel, two: Split, tmp_path: Path) -> None:
    spare.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    assert again.route == spare.route
    assert again.rule == spare.rule
    np.testing.assert_array_equal(
        again.predict_proba(two.test, routing="soft"), spare.predict_proba(two.test, routing="soft")
    )

    with pytest.raises(SettingsError, match="No trained model"):
        RoutedModel.load(tmp_path / "nowhere")
    record = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(SettingsError, match="newer everygroup"):
        RoutedModel.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({**record, "networks": {"x": "../../model.json"}}))
    with pytest.raises(EverygroupError, match="damaged"):
        RoutedModel.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps(record))
    file = next(tmp_path.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(EverygroupError, match="damaged"):
        RoutedModel.load(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(EverygroupError, match="damaged"):
        RoutedModel.load(tmp_path)


def test_erm_answers_pooled_for_everybody(two: Split, vector_settings: TrainSettings, shared_store: Store) -> None:
    model = ERM().fit(two.train, two.validation, settings=vector_settings, store=shared_store)
    assert set(model.predict(two.test).table["route"]) == {"pooled"}
    with pytest.raises(SettingsError, match="no group predictor"):
        model.predict(two.test, routing="predicted")
