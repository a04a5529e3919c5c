"""What is held while a pretrained network is fine-tuned, and how fast its stages learn, whatever the method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from everygroup.cohort import Split, split_cohort
from everygroup.datasets import simulated
from everygroup.errors import SettingsError
from everygroup.methods import Lab, create_method, list_methods, method_class
from everygroup.methods.parts import NEEDS, Learn
from everygroup.networks import NetworkSpec, build_network
from everygroup.settings import TrainSettings
from everygroup.training import Learner
from everygroup.training.device import seed_torch
from everygroup.training.finetune import check, stages
from everygroup.training.optimiser import Optimisers

TIMM = "test_resnet.r160_in1k"
LEARN = [
    name
    for name in list_methods()
    if issubclass(method_class(name), Learn) and method_class(name).info.needs not in ("vectors", "linear head")
]


@pytest.fixture(scope="module")
def world() -> Split:
    return split_cohort(simulated.dermatology(80, image_size=32, seed=1).cohort)


def lab_of(world: Split, **settings: Any) -> Lab:
    made = TrainSettings.make({"backbone": TIMM, "updates": 2, "batch_size": 8, **settings})
    return Lab(world.train, world.validation, made)


@pytest.mark.parametrize("backbone", [TIMM, "small_cnn"])
def test_stages_below_the_head_learn_more_slowly_and_may_wait(backbone: str) -> None:
    network = build_network(NetworkSpec(backbone, 3, (64, 64, 3)))
    settings = TrainSettings.make({"layer_decay": 0.5, "head_warmup": 0.2, "lr": 1.0})
    optimisers = Optimisers(Learner(network), settings)
    optimisers.set_rate(1.0)
    rate = {id(p): g["lr"] for g in optimisers["main"].param_groups for p in g["params"]}
    assert len(rate) == len(list(network.parameters()))
    first, last = next(network.body.parameters()), network.head.weight
    assert rate[id(last)] == 1.0 > rate[id(first)] > 0
    assert {round(np.log2(r)) for r in rate.values()} == set(range(int(np.log2(rate[id(first)])), 1))
    optimisers.set_rate(1.0, head_alone=True)
    waiting = {id(p): g["lr"] for g in optimisers["main"].param_groups for p in g["params"]}
    assert waiting[id(last)] == 1.0 and waiting[id(first)] == 0.0
    plain = Optimisers(Learner(network), TrainSettings.make())
    assert [len(g["params"]) for g in plain["main"].param_groups] == [len(rate)]


@pytest.mark.parametrize("name", LEARN)
def test_every_method_slows_down_what_lies_below_the_head(name: str, world: Split) -> None:
    lab = lab_of(world, layer_decay=0.5)
    options = {"teacher": "erm"} if name == "distilled" else {}
    (part,) = create_method(name, options)
    assert isinstance(part, Learn)
    seed_torch(0)
    learner = part.learner(lab)
    optimisers = Optimisers(learner, lab.settings)
    optimisers.set_rate(1.0)
    rate = {id(p): g["lr"] for key in optimisers for g in optimisers[key].param_groups for p in g["params"]}
    below = stages(learner.net)
    slow = [id(p) for n, p in learner.of_network() if below.get(n) == max(below.values()) and id(p) in rate]
    heads = [id(p) for n, p in learner.of_network() if below.get(n, 0) == 0 and id(p) in rate]
    assert slow and heads
    assert max(rate[i] for i in slow) < 0.5 * min(rate[i] for i in heads)


@pytest.mark.parametrize("name", LEARN)
def test_under_a_held_trunk_every_method_holds_it_or_refuses(name: str, world: Split) -> None:
    lab = lab_of(world, freeze="trunk")
    options = {"teacher": "erm"} if name == "distilled" else {}
    method = create_method(name, options)
    if method_class(name).info.needs in NEEDS:
        with pytest.raises(SettingsError, match="freeze=trunk holds"):
            method.check(lab)
        return
    (part,) = method
    assert isinstance(part, Learn)
    seed_torch(0)
    learner = part.learner(lab)
    Optimisers(learner, lab.settings)
    below = stages(learner.net)
    held = [p for n, p in learner.of_network() if below.get(n)]
    assert len(held) >= len([n for n in below if below[n]]) > 0
    assert not any(p.requires_grad for p in held)
    assert any(p.requires_grad for p in learner.parameters())


@pytest.mark.parametrize("method", ["erm", "domain_independent", "multitask"])
def test_a_held_trunk_stays_as_it_was(method: str, world: Split) -> None:
    lab = lab_of(world, freeze="trunk")
    seed_torch(lab.settings.seed)
    before = {k: v.clone() for k, v in lab.network().state_dict().items() if ".fc." not in k}
    model = create_method(method).fit(world.train, world.validation, settings=lab.settings)
    for network in model.networks.values():
        after = network.state_dict()
        for key, value in before.items():
            torch.testing.assert_close(after[key], value, rtol=0, atol=0)


def test_the_first_stages_are_held_with_their_statistics(world: Split) -> None:
    lab = lab_of(world, freeze=2)
    seed_torch(lab.settings.seed)
    before = {k: v.clone() for k, v in lab.network().state_dict().items()}
    after = lab.erm().network.state_dict()
    below = stages(lab.network())
    first = sorted(set(below.values()))[-2:]
    held = {name.rpartition(".")[0] for name, stage in below.items() if stage in first}
    assert 0 < len(held) < len({name.rpartition(".")[0] for name in below})
    for key, value in before.items():
        assert torch.equal(after[key], value) == (key.rpartition(".")[0] in held), key


def test_frozen_statistics_stay_and_their_norms_learn(world: Split) -> None:
    changed = {}
    for held in ("frozen", "train"):
        lab = lab_of(world, batch_norm=held)
        seed_torch(lab.settings.seed)
        before = {k: v.clone() for k, v in lab.network().state_dict().items()}
        after = lab.erm().network.state_dict()
        changed[held] = {k for k, v in after.items() if not torch.equal(v, before[k])}
    statistics = {k for k in before if "running_" in k}
    assert not changed["frozen"] & statistics and statistics <= changed["train"]
    assert {"body.conv1.0.weight", "body.fc.weight"} <= changed["frozen"]
    assert any(k.endswith("bn1.weight") for k in changed["frozen"])


def test_a_network_without_a_head_is_refused() -> None:
    plain = torch.nn.Sequential(torch.nn.Linear(3, 2))
    check(plain, TrainSettings.make())
    with pytest.raises(SettingsError, match="layer_decay and head_warmup: this backbone has no last layer"):
        check(plain, TrainSettings.make({"layer_decay": 0.8, "head_warmup": 0.1}))


@pytest.mark.parametrize("backbone", ["small_unet", "small_resnet3d"])
def test_networks_of_other_forms_have_a_head_and_a_trunk(backbone: str) -> None:
    shape = (16, 16, 3) if backbone == "small_unet" else (8, 8, 8, 1)
    below = stages(build_network(NetworkSpec(backbone, 2, shape)))
    assert set(below.values()) == {0, 1}
