"""SCP-FairPrune: the loss, the layers, and that a pruned channel stays at 0."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, Lab, SCPFairPrune, Store
from everygroup.methods.after._held import Held
from everygroup.methods.after.scp_fairprune import (
    ChannelLayer,
    channel_layers,
    group_batches,
    soft_nearest_neighbour,
)
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, NetworkSpec, build_network
from everygroup.settings import TrainSettings


def one_channel(rows: torch.Tensor) -> torch.Tensor:
    """Maps (B, 1, P) of vectors (B, P)."""
    return rows[:, None]


# ---- the loss -----------------------------------------------------------------------------------------------------


def test_the_loss_of_the_worked_example() -> None:
    u = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    value = soft_nearest_neighbour(one_channel(u), torch.tensor([0, 0, 1, 1]))
    assert float(value) == pytest.approx(0.551445, abs=1e-6)
    assert float(value) == pytest.approx(-math.log(1 / (1 + 2 / math.e)), abs=1e-6)
    larger = soft_nearest_neighbour(one_channel(5 * u), torch.tensor([0, 0, 1, 1]))  # only directions count
    torch.testing.assert_close(larger, value)


def test_its_limits() -> None:
    u = torch.eye(2).repeat_interleave(300, 0)
    two = torch.tensor([0, 1]).repeat_interleave(300)
    assert float(soft_nearest_neighbour(one_channel(u), two)) == pytest.approx(math.log(1 + 1 / math.e), abs=2e-3)
    random = torch.rand(600, 9, generator=torch.Generator().manual_seed(0))
    assert float(soft_nearest_neighbour(one_channel(random), two)) == pytest.approx(math.log(2), abs=0.01)
    sharp = soft_nearest_neighbour(one_channel(u), two, temperature=1e-3)
    assert 0 <= float(sharp) < 1e-6  # with j = i above the line it would be negative


def test_channels_are_measured_by_themselves_and_a_lone_sample_is_left_out() -> None:
    maps, group = torch.rand(7, 3, 2, 4), torch.tensor([0, 0, 0, 1, 1, 1, 1])
    together = soft_nearest_neighbour(maps, group)
    assert together.shape == (3,)
    for c in range(3):
        torch.testing.assert_close(soft_nearest_neighbour(maps[:, c : c + 1], group)[0], together[c])
    dead = soft_nearest_neighbour(torch.zeros(6, 1, 3), torch.tensor([0, 0, 1, 1, 1, 2]))  # all distances are 1
    assert float(dead) == pytest.approx(-(2 * math.log(1 / 5) + 3 * math.log(2 / 5)) / 5)


def test_batches_hold_as_many_of_every_group() -> None:
    group = np.array([0] * 50 + [1] * 3 + [2])
    cohort = Cohort.from_arrays(
        np.zeros((54, 2), np.float32), [0, 1] * 27, sensitive_features={"g": [f"g{g}" for g in group]}
    )
    batches = list(group_batches(cohort, 20, 3, seed=0))
    assert len(batches) == 3
    for index in batches:
        assert np.bincount(cohort.group[index], minlength=3).tolist() == [10, 3, 0]
        assert len(set(index)) == len(index)
    assert not np.array_equal(batches[0], batches[1])
    np.testing.assert_array_equal(batches[0], next(group_batches(cohort, 20, 1, seed=0)))
    with pytest.raises(TrainingError, match="Only 1 groups"):
        next(group_batches(cohort.where(cohort.group != 1), 20, 1, seed=0))


# ---- the layers ---------------------------------------------------------------------------------------------------


def test_layers_are_found_with_the_batch_norm_that_follows() -> None:
    cnn = build_network(NetworkSpec("small_cnn", 2, (8, 8, 3))).eval()
    found = channel_layers(cnn, torch.rand(1, 3, 8, 8))
    assert found == [ChannelLayer(f"body.trunk.{i}", f"body.trunk.{i + 1}") for i in (0, 3, 6, 9)]
    assert found[0].parameters(cnn) == ["body.trunk.0.weight", "body.trunk.1.weight", "body.trunk.1.bias"]
    assert len(channel_layers(cnn, torch.rand(1, 3, 4, 4))) == 2  # the last maps are single pixels

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(4)  # stands before, and takes something else
            self.first, self.second = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(torch.relu(self.second(self.norm(x))))

    plain = Plain().eval()
    layers = channel_layers(plain, torch.rand(1, 4, 2, 2))
    assert layers == [ChannelLayer("second", None), ChannelLayer("first", None)]
    assert layers[0].parameters(plain) == ["second.weight", "second.bias"]
    assert layers[0].measured == "second"
    assert not plain.first._forward_hooks


class _TwoChannels(nn.Module):
    """Two channels that copy the two input channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(2)[:, :, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean((2, 3)))


def test_the_channel_that_shows_the_group_is_the_one_that_goes(vector_settings: TrainSettings) -> None:
    rng = np.random.default_rng(0)
    group = np.arange(60) % 2
    images = rng.random((60, 4, 4, 2)).astype(np.float32)
    images[:, :, :, 1] += np.where(group[:, None, None] == 0, np.eye(4), 1 - np.eye(4)) * 3
    split = split_cohort(
        Cohort.from_arrays(images / 4, rng.integers(0, 2, 60), sensitive_features={"g": [f"g{g}" for g in group]})
    )
    lab = Lab(split.train, split.validation, vector_settings)
    base = Classifier(_TwoChannels()).eval()
    layers = channel_layers(base, torch.rand(1, 2, 4, 4))
    held = Held(base, layers[0].parameters(base))
    assert SCPFairPrune(share=0.5, batches=2)._prune(held, 1, layers, lab) == 1
    assert base.body.conv.weight[1].abs().sum() == 0
    assert base.body.conv.weight[0].abs().sum() > 0
    assert SCPFairPrune(share=1)._prune(held, 1, layers, lab) == 1  # one always stays


# ---- the method ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", ["all", "last"])
def test_the_stated_share_of_channels_is_0_after_fine_tuning(
    layers: str,
    images: Split,
    image_settings: TrainSettings,
    shared_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # let EOdds fall from round to round, so that the last one is taken
    odds = iter(range(9, 0, -1))
    monkeypatch.setattr("everygroup.methods.after._rounds.validation_gaps", lambda *_: (0.9, float(next(odds))))
    method = SCPFairPrune(share=0.1, rounds=2, batches=2, layers=layers)
    model = method.fit(images.train, images.validation, settings=image_settings, store=shared_store)
    erm = ERM().fit(images.train, images.validation, settings=image_settings, store=shared_store).networks["pooled"]
    network = model.networks["pooled"]
    assert isinstance(network, Classifier)
    found = channel_layers(network, torch.rand(1, 3, 16, 16))
    total = 0
    for layer in found:
        if layers == "last" and layer != found[-1]:
            assert (network.get_parameter(f"{layer.convolution}.weight") != 0).any(3).any(2).any(1).all()
            continue
        rows = [
            network.get_parameter(n).flatten(1)
            if "weight" in n and network.get_parameter(n).ndim > 1
            else network.get_parameter(n)[:, None]
            for n in layer.parameters(network)
        ]
        gone = torch.stack([(r == 0).all(1) for r in rows])
        assert (gone == gone[0]).all()  # filter, scale and shift together
        assert int(gone[0].sum()) == int(0.2 * gone.shape[1] + 0.5)
        total += int(gone[0].sum())
    moved = [n for n, p in network.named_parameters() if not torch.equal(p, erm.get_parameter(n))]
    assert len(moved) == len(list(network.parameters()))  # everything else is trained on
    assert model.info["chosen_round"] == 2
    assert model.info["rounds"][2]["pruned"] == total
    assert model.info["fine_tuning_updates"] == 2 * 7
    model.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(images.test), model.predict_proba(images.test))


def test_share_0_is_erm(images: Split, image_settings: TrainSettings, shared_store: Store) -> None:
    parts = (images.train, images.validation)
    erm = ERM().fit(*parts, settings=image_settings, store=shared_store).predict_proba(images.test)
    off = SCPFairPrune(share=0).fit(*parts, settings=image_settings, store=shared_store)
    np.testing.assert_array_equal(off.predict_proba(images.test), erm)


def test_refuses_networks_without_channels_to_compare(two: Split, vector_settings: TrainSettings) -> None:
    with pytest.raises(SettingsError, match="convolutions"):
        SCPFairPrune().fit(two.train, two.validation, settings=vector_settings.but(updates=2))
    y, group = np.arange(40) % 2, ["a", "a", "b", "b"] * 10
    pixels = np.random.default_rng(0).integers(0, 256, (40, 2, 2, 3)).astype(np.uint8)
    tiny = split_cohort(Cohort.from_arrays(pixels, y, sensitive_features={"g": group}))
    with pytest.raises(SettingsError, match="single pixel"):
        SCPFairPrune().fit(tiny.train, tiny.validation, settings=vector_settings.but(updates=2, backbone="small_cnn"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 2},
        {"rounds": 0},
        {"updates_per_round": 0},
        {"lr_scale": 0},
        {"layers": "first"},
        {"temperature": 0},
        {"batches": 0},
        {"tolerance": float("nan")},
        {"patience": 0},
    ],
)
def test_refuses_impossible_values(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        SCPFairPrune(**wrong)  # type: ignore[arg-type]
