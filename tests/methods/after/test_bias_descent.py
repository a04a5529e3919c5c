"""Descent of the gap: its gradient, its sign, batches without a group, and what is kept."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from everygroup.cohort import Split
from everygroup.methods import Lab, Store, create_method
from everygroup.methods.after.bias_descent import BiasDescent
from everygroup.settings import TrainSettings


@pytest.fixture(scope="module")
def lab(two: Split, vector_settings: TrainSettings) -> Lab:
    return Lab(two.train, two.validation, vector_settings.but(updates=40), Store())


def test_the_proxy_is_the_gap_of_mean_probabilities(lab: Lab) -> None:
    network = lab.erm().network
    index = np.arange(len(lab.train))
    p = network(torch.from_numpy(lab.train.batch(index))).softmax(1)[:, 1].detach().numpy()
    for bias, counted in (("tpr", lab.train.y == 1), ("parity", lab.train.y >= 0)):
        found = BiasDescent(bias=bias)._proxy(network, lab, index)
        assert found is not None
        first, second = (p[counted & (lab.train.group == g)].mean() for g in (0, 1))
        assert found.item() == pytest.approx(first - second, abs=1e-6)
    only = np.flatnonzero(lab.train.group == 0)
    assert BiasDescent()._proxy(network, lab, only) is None


def test_it_goes_down_the_absolute_gap_of_training_samples(lab: Lab) -> None:
    model = lab.one_model("erm", lab.erm())
    index = np.arange(len(lab.train))
    part = BiasDescent(rate=0.003, passes=3, floor=0.0, bias="parity")
    refined = part.refine(model, lab)
    gaps = [part._proxy(m.networks["pooled"], lab, index) for m in (model, refined)]
    assert gaps[0] is not None and gaps[1] is not None
    records = refined.info["bias_descent"]
    biases = [abs(r["bias"]) for r in records]
    assert min(biases) == biases[int(np.argmin(biases))] <= biases[0]
    if "unchanged" not in refined.info["chosen"]["bias_descent"]:
        sign = np.sign(records[0]["bias"])
        assert sign * gaps[1].item() < sign * gaps[0].item()


def test_without_passes_or_gain_it_is_the_model(lab: Lab, two: Split) -> None:
    model = lab.one_model("erm", lab.erm())
    assert BiasDescent(passes=0).refine(model, lab) is model
    before = copy.deepcopy(model.networks["pooled"].state_dict())
    kept = BiasDescent(rate=1e-9, passes=1).refine(model, lab)
    assert "unchanged" in kept.info["chosen"]["bias_descent"]
    for key, value in kept.networks["pooled"].state_dict().items():
        assert torch.equal(value, before[key])
    decided = kept.predict_proba(two.test)[:, 1] >= 0.5
    cut = kept.info["bias_descent"][0]["threshold"]
    np.testing.assert_array_equal(decided, model.predict_proba(two.test)[:, 1] >= cut - 1e-12)


def test_it_names_what_it_is_for(lab: Lab) -> None:
    info = create_method("bias_descent").infos[0]
    assert info.two_classes and info.max_groups == 2 and info.family == "post-processing"
