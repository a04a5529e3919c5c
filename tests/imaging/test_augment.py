"""Batched augmentation: identity at zero, rigid maps, values in range, one draw a sample."""

from __future__ import annotations

import dataclasses
import itertools
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


VOLUME = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).view(1, 2, 3, 4, 5) / 120


def test_volumes_are_flipped_along_every_axis() -> None:
    out = AUGMENTATIONS["flip"](VOLUME.expand(400, -1, -1, -1, -1))
    mirrors = [
        VOLUME[0].flip([axis for axis, turned in zip((1, 2, 3), turns, strict=True) if turned])
        for turns in itertools.product((False, True), repeat=3)
    ]
    counts = [sum(torch.equal(o, m) for o in out) for m in mirrors]
    assert sum(counts) == 400 and min(counts) > 20


def test_volumes_turn_within_their_slices_only() -> None:
    x = torch.zeros(60, 1, 9, 31, 31)
    x[:, :, 4, 14:17, 24:27] = 1.0
    out = Augmentation(rotation=30)(x)
    torch.testing.assert_close(out[:, :, 4].sum((1, 2, 3)), torch.full((60,), 9.0), atol=0.2, rtol=0)
    assert out[:, :, [3, 5]].max() < 1e-4
    flat = Augmentation(rotation=30)
    torch.manual_seed(5)
    one = flat(x[:, :, 4])
    assert one.shape == (60, 1, 31, 31)
    for name in ("standard", "strong"):
        some = AUGMENTATIONS[name](torch.rand(3, 2, 6, 7, 8))
        assert some.shape == (3, 2, 6, 7, 8) and 0 <= some.min() <= some.max() <= 1


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(20, 20), (15, 24), (6, 10, 12)])
def test_a_mask_moves_with_its_image(name: str, shape: tuple[int, ...]) -> None:
    """Images that show their mask: after augmentation they still do, but for colours and the rims."""
    mask = torch.zeros(30, *shape, dtype=torch.uint8)
    mask[..., 2:7, 3:9] = 1
    mask[..., shape[-2] - 5 :, shape[-1] - 9 : shape[-1] - 2] = 2
    mask = torch.stack([m.roll(int(k), -1) for m, k in zip(mask, torch.arange(30) % 3, strict=True)])
    x = (mask.float() / 2)[:, None]
    torch.manual_seed(3)
    moved, moved_mask = AUGMENTATIONS[name].pair(x, mask)
    assert moved_mask.dtype == torch.uint8 and moved_mask.shape == mask.shape
    assert set(moved_mask.unique().tolist()) <= {0, 1, 2}
    torch.manual_seed(3)
    assert torch.equal(AUGMENTATIONS[name](x), moved)  # the images are those of training without masks
    torch.manual_seed(3)
    plain = dataclasses.replace(AUGMENTATIONS[name], colour=0.0)
    x_only, again = plain.pair(x, mask.long())
    assert torch.equal(again, moved_mask.long())
    differs = (x_only[:, 0] * 2 - moved_mask).abs() > 0.75
    assert differs.float().mean() < 0.04  # moved otherwise it would be a third
    if name == "none":
        assert torch.equal(moved_mask, mask)
    if name == "flip":
        assert torch.equal((x_only[:, 0] * 2).to(torch.uint8), moved_mask) and not torch.equal(moved_mask, mask)


@pytest.mark.parametrize("name", ["flip", "strong"])
def test_degraded_and_undegraded_images_move_alike_and_keep_their_colours(name: str) -> None:
    x = batch()
    moved, truth = AUGMENTATIONS[name].pair(x, x[:, :1] / 2)
    torch.testing.assert_close(truth, moved[:, :1] / 2)
    assert not torch.equal(moved, x)


def test_a_crop_shows_a_piece_of_the_image_at_full_size() -> None:
    ramp = torch.linspace(0, 1, 32).expand(256, 3, 32, 32)
    torch.manual_seed(0)
    seen = Augmentation(crop=0.25)(ramp)
    widths = (seen[:, 0, 16, -1] - seen[:, 0, 16, 0]) * 31 / 31
    assert seen.shape == ramp.shape and widths.min() > 0.45 and widths.max() < 1.0
    assert abs(float(widths.mean()) - float((torch.linspace(0.25, 1, 1000)).sqrt().mean())) < 0.02
    starts = seen[:, 0, 16, 0]
    assert starts.min() < 0.05 and starts.max() > 0.3
    torch.testing.assert_close(seen[:, 0, 3], seen[:, 0, 30])  # along the other axis the ramp is level
