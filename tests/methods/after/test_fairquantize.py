"""FairQuantize: the grid, the rank, and that what is quantised stays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, FairQuantize, Lab, Store, create_method
from everygroup.methods.after._held import Held
from everygroup.methods.after._saliency import contrast, group_fishers, layer_weights, lowest
from everygroup.methods.after.fairquantize import power_of_two
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings


def is_power(weight: torch.Tensor) -> torch.Tensor:
    return torch.frexp(weight)[0].abs() == 0.5


def test_the_grid() -> None:
    given = torch.tensor([0.3, 0.4, -0.7, 0.0, 1.0, -0.25, 3.0, 2.8, 1e-30])
    found = power_of_two(given)
    assert found[:8].tolist() == [0.25, 0.5, -0.5, 0.0, 1.0, -0.25, 4.0, 2.0]
    many = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    many[0] = 0
    torch.testing.assert_close(power_of_two(many), many.sign() * torch.log2(many.abs()).round().exp2())
    assert is_power(power_of_two(many)[1:]).all()
    assert torch.equal(power_of_two(power_of_two(many)), power_of_two(many))


def test_those_with_the_lowest_score_in_their_layer_are_quantised(
    images: Split, image_settings: TrainSettings, shared_store: Store
) -> None:
    lab = Lab(images.train, images.validation, image_settings, shared_store)
    base: Any = lab.erm().network
    names = layer_weights(base)
    method = FairQuantize(share=0.5, rounds=2, samples=6)
    held = Held(copy.deepcopy(base), names)
    method._quantise(held, 1, 1, lab)
    curvature = contrast(group_fishers(base, lab, names, 6), 1, 0.75)
    for n in names:
        weight = base.get_parameter(n).detach()
        mask, _ = held.held(n)
        score = curvature[n] * (power_of_two(weight) - weight) ** 2
        assert torch.equal(mask, lowest(score, torch.ones_like(mask), round(0.25 * mask.numel())))
        assert torch.equal(held.net.get_parameter(n), torch.where(mask, power_of_two(weight), weight))


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_quantised_weights_are_powers_of_two_after_fine_tuning_and_the_rest_has_moved(
    share: float, images: Split, image_settings: TrainSettings, shared_store: Store, tmp_path: Path
) -> None:
    erm: Any = Lab(images.train, images.validation, image_settings, shared_store).erm().network
    method = FairQuantize(share=share, rounds=2, samples=8)
    model = method.fit(images.train, images.validation, settings=image_settings, store=shared_store)
    network: Any = model.networks["pooled"]
    for n in layer_weights(network):
        weight = network.get_parameter(n).detach()
        exact = is_power(weight)
        assert int(exact.sum()) == int(share * weight.numel() + 0.5)
        assert (weight[~exact] != erm.get_parameter(n)[~exact]).all()
    assert (network.head.weight != erm.head.weight).any()  # gradient reaches what is not quantised
    assert model.info["fine_tuning_updates"] == 2 * round(0.05 * 70)
    model.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(images.test), model.predict_proba(images.test))


def test_share_0_is_erm_and_vectors_and_three_groups_do(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(300, 3, missing=4))
    store = Store()
    erm = ERM().fit(split.train, split.validation, settings=vector_settings, store=store).predict_proba(split.test)
    off = FairQuantize(share=0).fit(split.train, split.validation, settings=vector_settings, store=store)
    np.testing.assert_array_equal(off.predict_proba(split.test), erm)
    on = FairQuantize(share=1, rounds=1).fit(split.train, split.validation, settings=vector_settings, store=store)
    assert is_power(on.networks["pooled"].head.weight).all()
    assert on.info["privileged"] in split.train.groups


def test_fine_tuning_draws_as_the_chain_does(two: Split, vector_settings: TrainSettings) -> None:
    """What stands in front of the network stands in front of its fine-tuning, too."""
    settings, store = vector_settings.but(updates=40), Store()
    chains = ("fairquantize(rounds=1)", "erm + fairquantize(rounds=1)", "resampling + fairquantize(rounds=1)")
    fits = [create_method(c).fit(two.train, two.validation, settings=settings, store=store) for c in chains]
    weights = [model.networks["pooled"].state_dict()["body.head.weight"] for model in fits]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    names = [t.log[0]["model"] for t in store._trained.values()]
    assert names == ["erm", "fairquantize[1]"] * 2


@pytest.mark.parametrize(
    "wrong",
    [{"share": -0.1}, {"beta": float("inf")}, {"rounds": 0}, {"updates_per_round": 0}, {"lr_scale": 2}, {"samples": 0}],
)
def test_refuses_impossible_values(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        FairQuantize(**wrong)  # type: ignore[arg-type]
