"""Every target against its formula, written out or computed by another library."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import log_loss, roc_auc_score

from everygroup.boundary.decision import CrossesCut, DiceFalls, LabelFlips, LeavesBand
from everygroup.errors import SettingsError
from everygroup.imaging.augment import AUGMENTATIONS
from everygroup.targets import Anomaly, Classes, Image, Labels, Mask, Number, Target, target_from, target_of

from .made_up import TARGETS, world

NAN = float("nan")
KINDS: list[Target] = [
    Classes(["a", "b"]),
    Labels(["edema", "mass"]),
    Number("age", 50.0, 12.0, "huber", 3.0),
    Mask(["background", "cup", "disc"]),
    Anomaly(),
    Image(3, "squared"),
]


@pytest.mark.parametrize("target", KINDS, ids=lambda t: t.name)
def test_a_record_is_all_there_is(target: Target) -> None:
    again = target_from(json.loads(json.dumps(target.record)))
    assert type(again) is type(target) and again.record == target.record
    assert again.outputs == target.outputs and again.n_outputs == len(target.outputs)


def test_an_unknown_record_is_refused() -> None:
    with pytest.raises(SettingsError, match="Unknown target 'poem'"):
        target_from({"name": "poem", "outputs": []})


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_of_a_cohort(name: str) -> None:
    cohort = world(name, n=30)
    target = target_of(cohort)
    assert target.name == name and target.classes == cohort.classes
    truth = target.truth(cohort)
    assert len(truth) == 30 and not target.learnable(truth)
    part = truth[np.array([3, 1])]
    assert len(part) == 2 and torch.from_numpy(np.ascontiguousarray(part)) is not None


def test_losses_to_choose_from() -> None:
    number, image = target_of(world("number", n=30), "huber"), target_of(world("image", n=30), "squared")
    assert isinstance(number, Number) and number.loss == "huber" and number.mean > 0
    assert isinstance(image, Image) and image.loss == "squared"
    with pytest.raises(SettingsError, match="'mask' has no loss 'huber'"):
        target_of(world("mask", n=30), "huber")


def test_findings_that_are_unknown_are_in_no_loss() -> None:
    target, y = Labels(["a", "b"]), torch.tensor([[1.0, 0.0], [1.0, NAN], [NAN, NAN]])
    outputs = torch.tensor([[0.3, -0.2], [1.5, 9.0], [2.0, 2.0]], requires_grad=True)
    losses = target.losses(outputs, y)
    p = target.answers(outputs).detach().numpy()
    assert losses[0].item() == pytest.approx(log_loss([1, 0], p[0], labels=[0, 1]), rel=1e-5)
    assert losses[1].item() == pytest.approx(-np.log(p[1, 0]), rel=1e-5)
    assert losses[2].item() == 0
    losses.sum().backward()
    assert outputs.grad is not None and torch.isfinite(outputs.grad).all()
    assert outputs.grad[1, 1] == 0 and (outputs.grad[2] == 0).all()
    smoothed = target.losses(outputs, y, smoothing=0.2)[1].item()
    assert smoothed == pytest.approx(float(-0.9 * np.log(p[1, 0]) - 0.1 * np.log(1 - p[1, 0])), rel=1e-5)


def test_the_mean_auc_leaves_out_what_is_unknown_or_one_sided() -> None:
    rng = np.random.default_rng(0)
    y, score = (rng.random((60, 3)) < 0.4).astype(np.float32), rng.random((60, 3)).round(1)
    y[:10, 0], y[:, 2] = np.nan, 1
    wanted = (roc_auc_score(y[10:, 0], score[10:, 0]) + roc_auc_score(y[:, 1], score[:, 1])) / 2
    assert Labels(["a", "b", "c"]).quality(y, score) == pytest.approx(wanted)
    assert np.isnan(Labels(["c"]).quality(y[:, 2:], score[:, 2:]))
    assert "no finding" in Labels(["c"]).learnable(y[:, 2:])


def test_a_number_is_learnt_in_standard_deviations_and_told_in_its_units() -> None:
    target = Number("age", 50.0, 10.0)
    outputs, y = torch.tensor([[1.0], [-0.5], [0.0]]), torch.tensor([65.0, 45.0, NAN])
    torch.testing.assert_close(target.losses(outputs, y), torch.tensor([0.25, 0.0, 0.0]))
    torch.testing.assert_close(target.answers(outputs), torch.tensor([60.0, 45.0, 50.0]))
    assert target.quality(y.numpy(), target.answers(outputs).numpy()) == pytest.approx(-2.5)
    huber = Number("age", 50.0, 10.0, "huber").losses(torch.tensor([[3.0]]), torch.tensor([50.0]))
    assert huber.item() == pytest.approx(3 - 0.5)
    cohort = world("number")
    own = target_of(cohort)
    assert isinstance(own, Number)
    assert (own.mean, own.sd) == (pytest.approx(cohort.y.mean()), pytest.approx(cohort.y.std()))
    assert "equal" in own.learnable(np.full(4, 2.0)) and np.isnan(own.quality(np.full(2, NAN), np.zeros(2)))


def test_the_loss_of_a_mask_is_cross_entropy_and_soft_dice() -> None:
    target, rng = Mask(["background", "a", "b"]), np.random.default_rng(1)
    outputs = torch.from_numpy(rng.normal(size=(2, 3, 4, 5)).astype(np.float32))
    y = torch.from_numpy(rng.integers(0, 2, (2, 4, 5)).astype(np.uint8))  # structure b is nowhere
    p = F.softmax(outputs, 1).numpy().astype(float)
    for i, loss in enumerate(target.losses(outputs, y).tolist()):
        entropy = -np.mean([np.log(p[i, y[i, r, c], r, c]) for r in range(4) for c in range(5)])
        dices = []
        for k in (1, 2):
            m = (y[i].numpy() == k).astype(float)
            dices.append((2 * (p[i, k] * m).sum() + 1) / (p[i, k].sum() + m.sum() + 1))
        assert loss == pytest.approx(entropy + 1 - np.mean(dices), rel=1e-5)


def test_the_dice_of_masks_is_undefined_where_both_are_empty() -> None:
    target = Mask(["background", "a", "b"])
    true = np.zeros((2, 2, 2), dtype=np.uint8)
    true[0, 0] = 1
    answers = np.zeros((2, 3, 2, 2))
    answers[:, 0] = 0.5
    answers[0, 1, 0, 0] = answers[1, 2, 1, 1] = 0.9
    seen = target.seen(true, answers)
    np.testing.assert_allclose(seen, [[2 / 3, np.nan], [np.nan, 0]])
    assert target.quality(np.zeros(2), seen) == pytest.approx((2 / 3 + 0) / 2)
    assert np.isnan(target.quality(np.zeros(1), target.seen(true[1:], np.eye(3)[true[1:]].transpose(0, 3, 1, 2))))


def test_an_anomaly_score_is_learnt_on_normals() -> None:
    cohort = world("anomaly", n=40)
    target = target_of(cohort)
    used = target.used(cohort)
    assert used is not None and used.tolist() == (cohort.y == 0).tolist()
    score = np.random.default_rng(0).random(40)
    assert target.quality(cohort.y, score) == pytest.approx(roc_auc_score(cohort.y, score))
    assert np.isnan(target.quality(np.zeros(40, dtype=int), score))
    torch.testing.assert_close(target.losses(torch.tensor([[0.3]]), torch.tensor([0])), torch.tensor([0.3]))


def test_psnr_and_losses_of_images() -> None:
    target = Image(1)
    y, f = torch.full((2, 1, 3, 3), 0.5), torch.full((2, 1, 3, 3), 0.5)
    f[0] += 0.1
    torch.testing.assert_close(target.losses(f, y), torch.tensor([0.1, 0.0]))
    torch.testing.assert_close(Image(1, "squared").losses(f, y), torch.tensor([0.01, 0.0]))
    seen = target.seen(y.numpy(), f.numpy())
    assert seen.shape == (2, 1) and seen[0, 0] == pytest.approx(20.0, abs=1e-4)
    assert target.answers(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 1.0]
    stored = np.full((1, 2, 2, 1), 51, dtype=np.uint8)
    assert target.as_target(stored).shape == (1, 1, 2, 2) and target.as_target(stored).max() == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["mask", "image"])
def test_truth_in_the_picture_moves_with_it(name: str) -> None:
    target = target_of(world(name, n=10))
    x = torch.rand(6, 1, 8, 8)
    y = (x[:, 0] > 0.5).to(torch.uint8) if name == "mask" else x.clone()
    torch.manual_seed(0)
    moved, with_it = target.augmented(AUGMENTATIONS["flip"], x, y)
    assert not torch.equal(moved, x)
    assert torch.equal(with_it, (moved[:, 0] > 0.5).to(torch.uint8) if name == "mask" else moved)


def test_what_changes_an_answer() -> None:
    assert Classes(["a", "b"]).decision() is None
    assert Labels(["a"]).decision() == LabelFlips()
    assert Number("age", 50, 10, tolerance=4).decision() == LeavesBand(0.4)
    assert Number("age", 50, 10).decision() == LeavesBand(0.5)
    assert Mask(["background", "a"]).decision() == DiceFalls(0.1)
    assert Anomaly().decision(torch.arange(101.0)[:, None]) == CrossesCut(95.0)
    with pytest.raises(SettingsError, match="cut of an anomaly score"):
        Anomaly().decision()
    with pytest.raises(SettingsError, match="no decision"):
        Image(1).decision()
