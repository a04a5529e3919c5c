"""Batched augmentation: identity at zero, rigid maps, values in range, one draw a sample."""

from __future__ import annotations

import math

import pytest
import torch

from everygroup.imaging.augment import AUGMENTATIONS, Augmentation

pytestmark = pytest.mark.usefixtures("one_thread")


def batch(n: int = 64, height: int = 12, width: int = 12) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def seeded() -> object:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_none_changes_nothing_and_draws_nothing() -> None:
    state = torch.get_rng_state()
    assert AUGMENTATIONS["none"](batch()) is not None
    assert torch.equal(AUGMENTATIONS["none"](batch()), batch())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_vectors_pass(name: str) -> None:
    x = torch.randn(5, 8)
    assert AUGMENTATIONS[name](x) is x


@pytest.mark.parametrize("name", ["flip", "standard", "strong"])
@pytest.mark.parametrize("shape", [(12, 12), (9, 14)])
def test_shape_range_and_seed(name: str, shape: tuple[int, int]) -> None:
    x, before = batch(64, *shape), batch(64, *shape)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(AUGMENTATIONS[name](x))
    assert torch.equal(x, before)  # the source is not changed in place
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert results[0].shape == x.shape
    assert 0 <= results[0].min() <= results[0].max() <= 1


def test_flips_give_the_four_mirror_images_equally_often() -> None:
    x = batch(1).expand(800, -1, -1, -1)
    mirrors = [x[0], x[0].flip(2), x[0].flip(1), x[0].flip(1).flip(2)]
    out = AUGMENTATIONS["flip"](x)
    counts = [sum(torch.equal(o, m) for o in out) for m in mirrors]
    assert sum(counts) == 800
    assert min(counts) > 150


def test_the_affine_map_flips_exactly_when_nothing_turns() -> None:
    x = batch(1).expand(400, -1, -1, -1)
    out = Augmentation(flips=True, rotation=1e-12)(x)
    mirrors = torch.stack([x[0], x[0].flip(2), x[0].flip(1), x[0].flip(1).flip(2)])
    distance = (out[:, None] - mirrors).abs().amax((2, 3, 4))
    assert distance.amin(1).max() < 1e-4
    assert torch.bincount(distance.argmin(1), minlength=4).min() > 60


def test_without_flips_a_picture_is_never_mirrored() -> None:
    out = Augmentation(rotation=1e-12)(batch())
    torch.testing.assert_close(out, batch(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(41, 41), (31, 61)])
def test_rotations_are_rigid_and_within_their_angle(height: int, width: int) -> None:
    """A dot near the centre keeps its distance from it, also on pictures that are not square."""
    x = torch.zeros(200, 1, height, width)
    cy, cx = (height - 1) / 2, (width - 1) / 2
    x[:, :, round(cy) - 1 : round(cy) + 2, round(cx) + 9 : round(cx) + 12] = 1.0
    out = Augmentation(rotation=30)(x)
    mass = out.sum((1, 2, 3))
    ys, xs = torch.meshgrid(torch.arange(height) - cy, torch.arange(width) - cx, indexing="ij")
    y, x_ = (out[:, 0] * ys).sum((1, 2)) / mass, (out[:, 0] * xs).sum((1, 2)) / mass
    assert (torch.hypot(y, x_) - 10).abs().max() < 0.1
    angle = torch.rad2deg(torch.atan2(y, x_))
    assert angle.abs().max() < 30.5
    assert angle.min() < -20
    assert angle.max() > 20


def test_scaling_changes_the_size_within_its_range() -> None:
    x = torch.zeros(200, 1, 41, 41)
    x[:, :, 10:31, 10:31] = 1.0
    side = Augmentation(scale=0.2)(x).sum((1, 2, 3)).sqrt() / 21
    assert 0.78 < side.min() < 0.86
    assert 1.14 < side.max() < 1.22


def test_colour_changes_each_sample_on_its_own_and_keeps_greys_grey() -> None:
    x = torch.full((50, 3, 4, 4), 0.5)
    out = Augmentation(colour=0.3)(x)
    torch.testing.assert_close(out[:, 0], out[:, 2])
    gain = out[:, 0, 0, 0] / 0.5
    assert len(gain.unique()) == 50
    assert 0.7 <= gain.min() < 0.8
    assert 1.2 < gain.max() <= 1.3


def test_saturation_moves_colours_about_their_grey() -> None:
    x = torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1).expand(100, 3, 2, 2)
    out = Augmentation(colour=0.2)(x)
    spread = (out[:, 2] - out[:, 0])[:, 0, 0] / out.mean((1, 2, 3))
    assert spread.std() > 0.01
    assert 0.8**2 - 1e-5 <= (spread / 0.4).min() <= (spread / 0.4).max() <= 1.2**2 + 1e-5  # times the contrast


def test_one_affine_draw_a_sample() -> None:
    x = batch(1).expand(8, -1, -1, -1)
    out = Augmentation(rotation=math.degrees(1.0))(x)
    assert len({tuple(o.flatten().tolist()) for o in out}) == 8
