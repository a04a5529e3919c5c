"""One contract over every method and every target it claims besides classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from everygroup.audit.predicted import audit_predictions
from everygroup.cohort import Split, split_cohort
from everygroup.console import clear_warnings, recorded_warnings
from everygroup.errors import SettingsError
from everygroup.methods import Lab, Store, create_method, list_methods, method_class
from everygroup.models import RoutedModel
from everygroup.networks import resolve_backbone
from everygroup.predictions import TargetPredictions
from everygroup.settings import TrainSettings

from ..targets.made_up import TARGETS, world

CLAIMS = [
    (name, target)
    for name in list_methods()
    for target in TARGETS
    if target in method_class(name).info.targets and method_class(name).info.needs != "vectors"
]
SETTINGS = TrainSettings.make({"updates": 24, "batch_size": 24, "lr": 6e-3, "augment": "flip"})
# what a tiny model reaches, and an untrained one or a constant answer does not
LEARNT = {"labels": ("auc", 0.7), "number": ("mae", -7.0), "mask": ("dice", 0.8), "anomaly": ("auc", 0.9)}


@pytest.fixture(scope="module")
def splits() -> dict[str, Split]:
    return {target: split_cohort(world(target, missing=4)) for target in TARGETS}


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


def test_the_first_methods_train_for_every_target() -> None:
    firsts = {(m, t) for m in ("erm", "group_model", "stratified_erm", "resampling", "group_dro") for t in TARGETS}
    assert firsts <= set(CLAIMS)


@pytest.mark.parametrize(("name", "target"), CLAIMS)
def test_trains_predicts_learns_and_survives_saving(
    name: str, target: str, splits: dict[str, Split], store: Store, tmp_path: Path
) -> None:
    split = splits[target]
    model = create_method(name).fit(split.train, split.validation, settings=SETTINGS, store=store)
    predicted = model.predict(split.test, split="test")
    assert isinstance(predicted, TargetPredictions)
    assert predicted.ids.tolist() == split.test.ids.tolist() and (predicted.table["route"] != "").all()
    assert _good(target, predicted, model, split), predicted.table.describe().to_string()

    model.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    assert again.target.record == model.target.record and again.classes == split.test.classes
    np.testing.assert_array_equal(again.answers(split.test), model.answers(split.test))
    assert again.predict(split.test, split="test").table.equals(predicted.table)


def _good(target: str, predicted: TargetPredictions, model: RoutedModel, split: Split) -> bool:
    if target == "image":  # better than the degraded image
        y, x = (a.astype(float) / 255 for a in (split.test.truth_batch(slice(None)), split.test.batch(slice(None))))
        before = -10 * np.log10(np.square(x - y).reshape(len(x), -1).mean(1))
        return bool((predicted.numbers("psnr") > before).mean() > 0.9)
    if target == "labels":
        return model.target.quality(split.test.y, predicted.scores("score_")) > LEARNT[target][1]
    if target == "anomaly":
        return model.target.quality(split.test.y, predicted.numbers("anomaly_score")) > LEARNT[target][1]
    if target == "number":
        return -np.abs(predicted.numbers("y_pred") - split.test.y).mean() > LEARNT[target][1]
    return bool(np.nanmean(predicted.numbers("dice")) > LEARNT[target][1])


@pytest.mark.parametrize("target", TARGETS)
def test_same_seed_same_model(target: str, splits: dict[str, Split]) -> None:
    split, settings = splits[target], SETTINGS.but(updates=6)

    def answers(seed: int) -> np.ndarray:
        model = create_method("erm").fit(split.train, split.validation, settings=settings.but(seed=seed))
        return model.answers(split.test)

    np.testing.assert_array_equal(answers(1), answers(1))
    assert not np.array_equal(answers(1), answers(2))


@pytest.mark.parametrize("target", TARGETS)
def test_where_no_group_is_known_the_mean_of_the_groups_answers(
    target: str, splits: dict[str, Split], store: Store
) -> None:
    split = splits[target]
    model = create_method("group_model").fit(split.train, split.validation, settings=SETTINGS, store=store)
    nobody = split.test.where(np.arange(5))
    nobody.table["site"] = ""
    nobody = nobody.grouped_by(nobody.rule)
    mean = np.mean([_alone(model, g).answers(nobody) for g in model.groups], axis=0)
    np.testing.assert_allclose(model.answers(nobody), mean, rtol=1e-5, atol=1e-6)
    assert set(model.predict(nobody).table["route"]) == {"mean of groups"}


def _alone(model: RoutedModel, group: str) -> RoutedModel:
    from dataclasses import replace

    own = model.route[group]
    return replace(model, networks={own: model.networks[own]}, route=dict.fromkeys(model.groups, own), pooled=own)


@pytest.mark.parametrize("name", [n for n in list_methods() if method_class(n).info.targets == ("classes",)])
def test_refuses_targets_it_does_not_claim(name: str, splits: dict[str, Split]) -> None:
    split = splits["number"]
    with pytest.raises(SettingsError, match="cannot be trained for target 'number'"):
        create_method(name).fit(split.train, split.validation, settings=SETTINGS)


def test_what_a_target_has_not_is_refused(splits: dict[str, Split]) -> None:
    split = splits["mask"]

    def fit(method: str = "erm", **changes: object) -> None:
        create_method(method).fit(split.train, split.validation, settings=SETTINGS.but(**changes))

    with pytest.raises(SettingsError, match="'resnet18' gives a few numbers, the target is a mask") as error:
        fit(backbone="resnet18")
    assert "small_unet, or smp_unet_resnet18" in str(error.value)
    with pytest.raises(SettingsError, match="has no classes to weigh"):
        fit(class_weighting="balanced")
    with pytest.raises(SettingsError, match="Selection rule 'accuracy' is for classes"):
        fit(selection="accuracy")
    with pytest.raises(SettingsError, match="has no classes to make cells"):
        fit("resampling(over=cell)")
    split = splits["number"]
    with pytest.raises(SettingsError, match="no labels to smooth"):
        fit(label_smoothing=0.1)


def test_anomaly_scores_of_several_networks_have_one_scale(splits: dict[str, Split], store: Store) -> None:
    split = splits["anomaly"]
    model = create_method("group_model").fit(split.train, split.validation, settings=SETTINGS, store=store)
    assert set(model.units) == {"g0", "g1"} and min(model.units.values()) > 0
    normals = split.validation.where(split.validation.y == 0)
    sizes = []
    for g, name in enumerate(model.groups):
        own = normals.where(normals.group == g)
        sizes.append(len(own))
        raw = model.outputs(name, own if len(own) >= 10 else normals).double().numpy()[:, 0]
        assert model.units[name] == pytest.approx(np.sort(raw)[(len(raw) - 1) // 2])
        own_raw = model.outputs(name, own).double().numpy()[:, 0]
        np.testing.assert_allclose(model.answers(own) * model.units[name], own_raw)
    assert min(sizes) < 10  # where all validation normals stand in
    split = splits["number"]
    assert not create_method("erm").fit(split.train, split.validation, settings=SETTINGS, store=store).units


def test_answers_are_mixed_by_the_group_predictor(splits: dict[str, Split], store: Store) -> None:
    """Also of masks, beside which the predictor has a network of its own form."""
    split = splits["mask"]
    lab = Lab(split.train, split.validation, SETTINGS.but(backbone="small_unet"), store)
    networks = {g: lab.group_model(g) for g in lab.groups} | {"predictor": lab.group_predictor()}
    assert networks["predictor"].network.spec.backbone == "small_cnn"
    model = lab.model("mixed", networks, {g: g for g in lab.groups}, group_predictor="predictor")
    few = split.test.where(np.arange(5))
    apart = np.stack([_alone(model, g).answers(few) for g in lab.groups], 1)
    share = model._of_groups(few, "cpu")
    assert share.min() > 0 and np.allclose(share.sum(1), 1)
    wanted = (share[:, :, None, None, None] * apart).sum(1)
    np.testing.assert_allclose(model.answers(few, routing="soft"), wanted, rtol=1e-5, atol=1e-6)
    assert set(model.predict(few, routing="soft").table["route"]) == {"soft"}


def test_backbones_by_form() -> None:
    image, volume = (32, 32, 3), (16, 16, 16, 1)
    found = {form: resolve_backbone("auto", image, form) for form in ("vector", "map", "image", "score")}
    assert list(found.values()) == ["small_cnn", "small_unet", "small_reconstruction", "small_autoencoder"]
    assert resolve_backbone("auto", volume) == "small_resnet3d"
    assert resolve_backbone("auto", volume, "map") == "small_unet3d"
    assert resolve_backbone("small_vae", image, "score") == "small_vae"
    assert resolve_backbone("smp_unet_resnet18", image, "map") == "smp_unet_resnet18"
    with pytest.raises(SettingsError, match="No network gives an anomaly score from vectors"):
        resolve_backbone("auto", (7,), "score")
    with pytest.raises(SettingsError, match="'small_unet' gives a mask"):
        resolve_backbone("small_unet", image)


def test_without_anomalies_in_validation_the_loss_chooses(splits: dict[str, Split]) -> None:
    split = splits["anomaly"]
    normals = split.validation.where(split.validation.y == 0)
    clear_warnings()
    model = create_method("erm").fit(split.train, normals, settings=SETTINGS)
    assert recorded_warnings() == ["erm: auc is undefined on its validation samples; their loss chose the epoch."]
    by_loss = create_method("erm").fit(split.train, normals, settings=SETTINGS.but(selection="loss"))
    np.testing.assert_array_equal(model.answers(split.test), by_loss.answers(split.test))


def test_a_variational_autoencoder_resumes_like_any_network(splits: dict[str, Split], tmp_path: Path) -> None:
    split, settings = splits["anomaly"], SETTINGS.but(backbone="small_vae", updates=12)
    whole = create_method("erm").fit(split.train, split.validation, settings=settings)
    kept = create_method("erm").fit(split.train, split.validation, settings=settings, store=Store(tmp_path))
    read = create_method("erm").fit(split.train, split.validation, settings=settings, store=Store(tmp_path))
    for other in (kept, read):
        np.testing.assert_array_equal(whole.answers(split.test), other.answers(split.test))


def test_a_groups_network_weighs_by_what_changes_an_answer(splits: dict[str, Split], store: Store) -> None:
    """Utility alone: the weights are those of distances measured with the target's own decision."""
    split = splits["number"]
    spare = create_method("spare(alpha=1)").fit(split.train, split.validation, settings=SETTINGS, store=store)
    assert spare.weights is not None and "group predictor" not in spare.networks
    erm = create_method("erm").fit(split.train, split.validation, settings=SETTINGS, store=store)
    lab = Lab(split.train, split.validation, SETTINGS, store)
    distance = lab.distances(erm.networks["pooled"], decision=lab.target.decision()).distance
    for _, rows in spare.weights.groupby("target_group"):
        d, w = distance[split.train.group >= -1], rows["weight"].to_numpy()
        near, far = d < np.nanquantile(d, 0.3), d > np.nanquantile(d, 0.7)
        assert w[near].mean() > w[far].mean()


def test_spare_refuses_options_that_are_for_classes(splits: dict[str, Split]) -> None:
    for target, options in (
        ("mask", "sharing={kind: adapters}"),
        ("mask", "sharing={kind: half}"),
        ("anomaly", "distance={cross_fit: 2}"),
        ("number", "distance={utility: logit_gap}"),
    ):
        split = splits[target]
        with pytest.raises(SettingsError, match=f"is for classes; the target is '{target}'"):
            create_method(f"spare({options})").fit(split.train, split.validation, settings=SETTINGS)


@pytest.mark.parametrize("target", TARGETS)
def test_a_model_is_audited_against_another(target: str, splits: dict[str, Split], store: Store) -> None:
    split = splits[target]
    both = [
        create_method(m).fit(split.train, split.validation, settings=SETTINGS, store=store).predict(split.test)
        for m in ("erm", "group_model")
    ]
    result = audit_predictions(both[1], baseline=both[0], n_boot=50, min_n=3)
    assert set(result.table["method"]) == {"group_model"} and len(result.comparison)
    assert {"g0", "g1", "gap"} <= set(result.table["group"])
