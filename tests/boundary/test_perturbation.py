"""Properties of the search on networks, and what it leaves behind."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from everygroup import console
from everygroup.boundary import minimal_perturbation
from everygroup.errors import EverygroupError, ImageError, SettingsError


class Constant(nn.Module):
    """The same answer to everything."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([1.0, 0.0, -1.0]).expand(len(x), 3)


class Flat(nn.Module):
    """Depends on the image, but its slope is zero everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.flatten(1).sum(1) * 0 + 1, x.flatten(1).sum(1) * 0], 1)


@pytest.mark.parametrize("options", [{"preset": "fast"}, {"preset": "accurate"}, {"search": "penalty"}])
@pytest.mark.parametrize("target", [None, 2])
def test_flips_at_the_boundary(cnn: nn.Module, images: Tensor, options: dict[str, Any], target: int | None) -> None:
    found = minimal_perturbation(cnn, images, target=target, **options)
    answer = cnn(images).argmax(1)
    moved = cnn(images + found.perturbation).argmax(1)
    assert found.flipped.all() and found.censored == 0
    assert torch.equal(found.answer, answer)
    assert (moved != answer).all() if target is None else (moved == target).all()
    torch.testing.assert_close(found.distance, found.perturbation.flatten(1).norm(dim=1))
    before = cnn(images + (1 - 2e-3) * found.perturbation).argmax(1)
    stays = (before == answer) if target is None else (before != target)
    assert stays[found.distance > 0].float().mean() > 0.9
    torch.testing.assert_close(found.per_pixel, found.distance / (3 * 16 * 16) ** 0.5)
    assert found.gradient_passes > 0 and found.forward_passes > found.gradient_passes / 3


def test_accurate_is_not_farther_than_fast_nor_penalty(cnn: nn.Module, images: Tensor) -> None:
    fast = minimal_perturbation(cnn, images).distance
    accurate = minimal_perturbation(cnn, images, preset="accurate").distance
    penalty = minimal_perturbation(cnn, images, search="penalty").distance
    assert accurate.median() <= fast.median() <= 1.15 * accurate.median()
    assert (accurate <= 1.02 * fast).float().mean() > 0.95
    assert accurate.median() <= 1.01 * penalty.median()


def test_bisection_never_lengthens(cnn: nn.Module, images: Tensor) -> None:
    loose = minimal_perturbation(cnn, images, tolerance=0.5)
    tight = minimal_perturbation(cnn, images, tolerance=1e-6)
    assert (tight.distance <= loose.distance).all()
    assert (tight.distance < loose.distance).any()


def _agree(a: Tensor, b: Tensor) -> None:
    """Equal up to rounding, which in a few samples decides between two nearly equal points to go on from."""
    torch.testing.assert_close(a, b, rtol=2e-3, atol=1e-6)
    assert ((a - b).abs() <= 2e-5 * b + 1e-7).float().mean() > 0.9


@pytest.mark.parametrize("preset", ["fast", "accurate"])
@pytest.mark.parametrize("target", [None, 1])
def test_independent_of_the_batch_and_its_order(
    cnn: nn.Module, images: Tensor, preset: str, target: int | None
) -> None:
    together = minimal_perturbation(cnn, images, preset=preset, target=target).distance
    alone = minimal_perturbation(cnn, images, preset=preset, target=target, batch_size=1).distance
    _agree(alone, together)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(2))
    mixed = minimal_perturbation(cnn, images[order], preset=preset, target=target, batch_size=24).distance
    _agree(mixed, together[order])
    again = minimal_perturbation(cnn, images, preset=preset, target=target).distance
    assert torch.equal(again, together)


def test_zero_where_already_in_the_target(cnn: nn.Module, images: Tensor) -> None:
    answer = cnn(images).argmax(1)
    target = int(answer.mode().values)
    found = minimal_perturbation(cnn, images, target=target)
    there = answer == target
    assert there.any() and not there.all()
    assert (found.distance[there] == 0).all() and (found.perturbation[there] == 0).all() and found.flipped.all()
    assert (found.distance[~there] > 0).all()
    assert (minimal_perturbation(cnn, images, target=answer).distance == 0).all()
    assert minimal_perturbation(cnn, images, target=answer).gradient_passes == 0


def test_from_the_label_and_signed(cnn: nn.Module, images: Tensor) -> None:
    answer = cnn(images).argmax(1)
    labels = answer.clone()
    labels[::2] = (answer[::2] + 1) % 4
    own = minimal_perturbation(cnn, images).distance
    plain = minimal_perturbation(cnn, images, labels=labels, from_="label").distance
    signed = minimal_perturbation(cnn, images, labels=labels.numpy(), from_="label", signed=True)
    assert (plain[::2] == 0).all()
    torch.testing.assert_close(plain[1::2], own[1::2], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(signed.distance[1::2], own[1::2], rtol=1e-4, atol=1e-6)
    assert (signed.distance[::2] < 0).all()
    assert (cnn(images + signed.perturbation).argmax(1)[::2] == labels[::2]).all()


@pytest.mark.parametrize("options", [{}, {"preset": "accurate"}, {"search": "penalty", "max_steps": 5}])
@pytest.mark.parametrize("model", [Constant(), Flat()])
def test_never_flipped_is_censored(model: nn.Module, options: dict[str, Any]) -> None:
    found = minimal_perturbation(model, torch.rand(5, 4), **options)
    assert found.censored == 5 and not found.flipped.any()
    assert found.distance.isnan().all() and (found.perturbation == 0).all()
    already = minimal_perturbation(model, torch.rand(5, 4), target=0, **options)
    assert (already.distance == 0).all() and already.flipped.all()
    never = minimal_perturbation(model, torch.rand(5, 4), target=1, **options)
    assert never.distance.isnan().all()


def test_part_of_a_batch_can_be_censored() -> None:
    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            gate = torch.relu(x[:, 0] - 0.5)
            return torch.stack([torch.full_like(gate, 1.0), 4 * gate], 1)

    found = minimal_perturbation(Half(), torch.tensor([[0.6, 0.0], [0.2, 0.0], [0.9, 0.0]]))
    assert found.flipped.tolist() == [True, False, True]
    torch.testing.assert_close(found.distance[[0, 2]], torch.tensor([0.15, 0.15]), rtol=1e-5, atol=1e-6)


def test_a_curved_boundary_that_linear_steps_miss_at_first() -> None:
    class Circle(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([torch.zeros(len(x)), x.square().sum(1).sqrt().sub(1).tanh()], 1)

    x = torch.tensor([[0.2, 0.1], [3.0, 1.0], [0.0, 0.99]])
    exact = (x.norm(dim=1) - 1).abs()
    for preset in ("fast", "accurate"):
        found = minimal_perturbation(Circle(), x, preset=preset)
        torch.testing.assert_close(found.distance, exact, rtol=1e-4, atol=1e-6)


def test_a_tie_is_a_boundary() -> None:
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.eye(2))
    found = minimal_perturbation(model, torch.tensor([[0.5, 0.5]]))
    assert found.answer.item() == 0 and found.flipped.all()
    assert found.distance.item() < 1e-2


def test_clip_keeps_images_in_range(cnn: nn.Module) -> None:
    images = (torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 1.4 - 0.2).clamp(0, 1)
    for options in ({"preset": "accurate"}, {"search": "penalty"}, {"target": 1}):
        found = minimal_perturbation(cnn, images, clip=True, **options)
        moved = images + found.perturbation
        assert found.flipped.all() and moved.min() >= -1e-6 and moved.max() <= 1 + 1e-6
    free = minimal_perturbation(cnn, images, preset="accurate").distance
    held = minimal_perturbation(cnn, images, preset="accurate", clip=True).distance
    assert (held >= 0.999 * free).all()
    with pytest.raises(ImageError, match="clip=True"):
        minimal_perturbation(cnn, images + 1, clip=True)


def test_model_is_put_back(cnn: nn.Module, images: Tensor) -> None:
    cnn.train()
    cnn[1].eval()
    cnn[0].weight.requires_grad_(False)
    running = cnn[1].running_mean.clone()
    try:
        minimal_perturbation(cnn, images[:4])
        assert cnn.training and cnn[0].training and not cnn[1].training
        assert not cnn[0].weight.requires_grad and cnn[0].bias.requires_grad
        assert all(parameter.grad is None for parameter in cnn.parameters())
        assert torch.equal(running, cnn[1].running_mean)
        with pytest.raises(EverygroupError):
            minimal_perturbation(cnn, images[:4, :1])
        assert cnn.training and not cnn[1].training
    finally:
        cnn[0].weight.requires_grad_(True)
        cnn.eval()


def test_autocast_and_inference_mode_change_nothing(cnn: nn.Module, images: Tensor) -> None:
    plain = minimal_perturbation(cnn, images[:8])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = minimal_perturbation(cnn, images[:8])
    with torch.inference_mode():
        inferred = minimal_perturbation(cnn, images[:8].clone())
    with torch.no_grad():
        without = minimal_perturbation(cnn, images[:8].requires_grad_(False))
    for other in (cast, inferred, without):
        assert other.distance.dtype == torch.float32
        assert torch.equal(other.distance, plain.distance)


def test_numpy_half_vectors_and_nothing(cnn: nn.Module, images: Tensor) -> None:
    assert torch.equal(
        minimal_perturbation(cnn, images[:3].numpy()).distance, minimal_perturbation(cnn, images[:3]).distance
    )
    half = minimal_perturbation(cnn, images[:3].half())
    assert half.distance.dtype == torch.float32
    empty = minimal_perturbation(cnn, images[:0])
    assert len(empty.distance) == 0 and empty.censored == 0 and len(empty.per_pixel) == 0


def test_penalty_variants(cnn: nn.Module, images: Tensor) -> None:
    small = minimal_perturbation(cnn, images, search="penalty", step=1e-4)
    assert not console.recorded_warnings()
    assert small.settings["beta"] == 100.0 and small.settings["preset"] is None
    adam = minimal_perturbation(cnn, images, search="penalty", optimiser="adam", step=0.1)
    assert adam.flipped.all()
    assert any("first step" in line for line in console.recorded_warnings())
    assert adam.distance.median() > 1.1 * small.distance.median()  # a step that long finds the step, not the boundary
    cut = minimal_perturbation(cnn, images, search="penalty", step=1e-5, max_steps=1)
    assert cut.censored > 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"target": 4}, SettingsError, "target 4 is unknown"),
        ({"target": -1}, SettingsError, "classes 0 to 3"),
        ({"target": 1.5}, SettingsError, "integers"),
        ({"target": [0, 1]}, SettingsError, "one class index"),
        ({"preset": "slow"}, SettingsError, "fast, accurate"),
        ({"search": "magic"}, SettingsError, "deepfool, penalty"),
        ({"from_": "label"}, SettingsError, "go together"),
        ({"labels": [0, 1, 2, 3]}, SettingsError, "go together"),
        ({"labels": [0, 1, 2, 7], "from_": "label"}, SettingsError, "labels 7 is unknown"),
        ({"labels": [0, 1, 2, 3], "from_": "label", "target": 1}, SettingsError, "exclude"),
        ({"signed": True}, SettingsError, "true label"),
        ({"tolerance": 0.0}, SettingsError, "tolerance"),
        ({"search": "penalty", "optimiser": "sgd"}, SettingsError, "normalised, adam"),
    ],
)
def test_mistakes_in_options(
    cnn: nn.Module, images: Tensor, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        minimal_perturbation(cnn, images[:4], **options)


def test_mistakes_in_images_and_models(cnn: nn.Module, images: Tensor) -> None:
    broken = images[:3].clone()
    broken[1, 0, 0, 0] = float("nan")
    with pytest.raises(ImageError, match="number 1"):
        minimal_perturbation(cnn, broken)
    with pytest.raises(ImageError, match="divide uint8"):
        minimal_perturbation(cnn, np.zeros((2, 3, 16, 16), np.uint8))
    with pytest.raises(ImageError, match="shape"):
        minimal_perturbation(cnn, torch.rand(5))
    with pytest.raises(ImageError, match="cannot take images"):
        minimal_perturbation(cnn, torch.rand(2, 1, 16, 16))
    with pytest.raises(SettingsError, match="single class"):
        minimal_perturbation(nn.Linear(3, 1), torch.rand(2, 3))
    with pytest.raises(SettingsError, match="not logits"):
        minimal_perturbation(nn.Identity(), torch.rand(2, 3, 4))
    with pytest.raises(SettingsError, match="not logits"):
        minimal_perturbation(nn.LSTM(3, 4), torch.rand(2, 3))
    with pytest.raises(SettingsError, match="float32"):
        minimal_perturbation(nn.Linear(3, 2).half(), torch.rand(2, 3))
    sick = nn.Linear(3, 2)
    with torch.no_grad():
        sick.bias.fill_(float("nan"))
    with pytest.raises(SettingsError, match="NaN"):
        minimal_perturbation(sick, torch.rand(2, 3))


def test_not_larger_than_foolbox_deepfool(images: Tensor) -> None:
    foolbox = pytest.importorskip("foolbox")
    torch.manual_seed(4)
    x = torch.rand(400, 1, 8, 8)
    y = (x[:, 0, :4].mean((1, 2)) > x[:, 0, 4:].mean((1, 2))).long() + (x[:, 0, :, :4].mean((1, 2)) > 0.5).long()
    model = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(192, 3))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(120):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        answer = model(x[:100]).argmax(1)
    assert (answer == y[:100]).float().mean() > 0.8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = foolbox.PyTorchModel(model, bounds=(-10, 11), device="cpu")
        theirs, _, success = foolbox.attacks.L2DeepFoolAttack()(wrapped, x[:100], answer, epsilons=None)
    norm = (theirs - x[:100]).flatten(1).norm(dim=1)[success]
    for preset in ("fast", "accurate"):
        ours = minimal_perturbation(model, x[:100], preset=preset).distance
        assert ours.isfinite().all()
        assert ours[success].median() <= norm.median()
        assert (ours[success] / norm).median() <= 1.0
