"""One picture for every image: where it starts, that it is asked for fairly, and what the group's classifier says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import Lab, Store, create_method
from everygroup.methods.after.input_edit import Editor, greedy_step, linear_probe
from everygroup.models import RoutedModel
from everygroup.models.transforms.added import Added
from everygroup.settings import TrainSettings


def test_a_greedy_step_takes_the_best_direction_with_momentum_and_never_gets_worse() -> None:
    goal = torch.tensor([[3.0, 0.0]])
    asks: list[bool] = []

    def asked(e: torch.Tensor) -> float:
        asks.append(torch.is_grad_enabled())
        return float((e - goal).square().sum())

    e, velocity, loss = torch.zeros(1, 2), torch.zeros(1, 2), 9.0
    directions = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    with torch.no_grad():
        e, velocity, loss = greedy_step(asked, e, velocity, loss, directions)
        assert e.tolist() == [[1.0, 0.0]]
        e, velocity, loss = greedy_step(asked, e, velocity, loss, directions)
        torch.testing.assert_close(e, torch.tensor([[2.9, 0.0]]))  # 1 + .9 + 1
        before = loss
        e, velocity, loss = greedy_step(asked, e, velocity, loss, directions)
        assert (e.tolist(), loss) == ([[pytest.approx(2.9), 0.0]], before)  # every direction leads away
        assert not velocity.any()
    assert not any(asks)


def test_the_probe_is_the_logistic_classifier_and_leaves_out_empty_groups() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 2], 200)
    h = rng.standard_normal((400, 3)) * 5 + 3 + 8 * (group == 2)[:, None]
    found = linear_probe(h, group, 3)(torch.from_numpy(h).float()).softmax(1).detach().numpy()
    assert (found.argmax(1) == group).mean() > 0.9
    assert found[:, 1].max() < 1e-3


@pytest.fixture(scope="module")
def settings(image_settings: TrainSettings) -> TrainSettings:
    return image_settings.but(updates=15)


def fit(name: str, images: Split, settings: TrainSettings, store: Store) -> RoutedModel:
    return create_method(name).fit(images.train, images.validation, settings=settings, store=store)


def test_no_picture_changes_nothing_and_without_weight_none_is_made(
    images: Split, settings: TrainSettings, shared_store: Store
) -> None:
    lab = Lab(images.train, images.validation, settings, shared_store)
    network = lab.erm().network
    editor = Editor(network, lab, 1.0, 0.0, 32)  # type: ignore[arg-type]
    index = editor.known[:32]
    np.testing.assert_allclose(editor.seen(editor.nothing(), index).numpy(), lab.features(network)[index], atol=1e-5)
    erm, off = (fit(n, images, settings, shared_store) for n in ("erm", "input_edit(lam=0)"))
    np.testing.assert_array_equal(off.predict_proba(images.test), erm.predict_proba(images.test))


@pytest.mark.parametrize("access", ["white", "black"])
def test_the_group_s_classifier_knows_less(
    access: str, images: Split, settings: TrainSettings, shared_store: Store, tmp_path: Path
) -> None:
    model = fit(f"input_edit(access={access},steps=12)", images, settings, shared_store)
    before, after = model.info["input_edit"]["group_loss"]
    assert abs(after - math.log(2)) < abs(before - math.log(2))
    model.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(images.test), model.predict_proba(images.test))


def test_images_stay_images_and_vectors_are_refused(two: Split) -> None:
    stored = np.array([[[[0], [255]]]], np.uint8)
    seen = Added(np.array([[0.25, 0.25]]))(stored, pd.DataFrame())
    np.testing.assert_allclose(seen.ravel(), [0.25, 1.0])
    with pytest.raises(SettingsError, match="takes images"):
        create_method("input_edit").fit(two.train, two.validation)
