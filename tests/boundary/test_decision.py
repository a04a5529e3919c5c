"""Other answers than classes: exact on linear models, and really another answer on networks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from everygroup.boundary import (
    CrossesCut,
    Decision,
    DiceFalls,
    LabelFlips,
    LeavesBand,
    boundary_distances,
    minimal_perturbation,
)
from everygroup.cohort import Cohort
from everygroup.errors import SettingsError

MakeLinear = Callable[[Tensor, Tensor], nn.Linear]


def _model(make_linear: MakeLinear, outputs: int, seed: int) -> tuple[nn.Linear, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(outputs, 9, generator=generator, dtype=torch.float64)
    model = make_linear(weight, torch.randn(outputs, generator=generator, dtype=torch.float64))
    return model, torch.randn(60, 9, generator=generator, dtype=torch.float64)


def _changed(decision: Decision, model: nn.Module, x: Tensor, delta: Tensor) -> Tensor:
    with torch.no_grad():
        return (decision.margins(model(x + delta), decision.state(model(x))) > 0).any(dim=1)


@pytest.mark.parametrize("preset", ["fast", "accurate"])
@pytest.mark.parametrize("labels", [1, 2, 5, 11])
def test_labels_are_exact_on_linear_models(make_linear: MakeLinear, preset: str, labels: int) -> None:
    model, x = _model(make_linear, labels, labels)
    z = model(x).detach()
    exact = (z.abs() / model.weight.detach().norm(dim=1)).amin(dim=1)
    found = minimal_perturbation(model, x, decision=LabelFlips(), preset=preset, tolerance=1e-6)
    assert found.flipped.all() and (found.answer == -1).all()
    torch.testing.assert_close(found.distance, exact, rtol=1e-5, atol=0)
    assert (((model(x + found.perturbation) >= 0) != (z >= 0)).sum(dim=1) == 1).all()
    higher = minimal_perturbation(model, x, decision=LabelFlips(cut=0.7), tolerance=1e-6)
    exact = ((z - 0.7).abs() / model.weight.detach().norm(dim=1)).amin(dim=1)
    torch.testing.assert_close(higher.distance, exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize("numbers", [1, 3])
@given(tolerance=st.floats(0.01, 100), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_numbers_are_exact_on_linear_models(make_linear: MakeLinear, numbers: int, tolerance: float, seed: int) -> None:
    model, x = _model(make_linear, numbers, seed)
    exact = tolerance / model.weight.detach().norm(dim=1).amax()
    found = minimal_perturbation(model, x, decision=LeavesBand(tolerance), tolerance=1e-6)
    torch.testing.assert_close(found.distance, exact.expand(60), rtol=1e-5, atol=0)


def test_a_score_is_exact_on_linear_models(make_linear: MakeLinear) -> None:
    model, x = _model(make_linear, 1, 0)
    exact = (model(x).detach()[:, 0] - 0.3).abs() / model.weight.detach().norm()
    found = minimal_perturbation(model, x, decision=CrossesCut(0.3), tolerance=1e-6)
    torch.testing.assert_close(found.distance, exact, rtol=1e-5, atol=0)


def test_two_labels_that_never_both_flip_equal_the_classes_of_one_logit(cnn: nn.Module, images: Tensor) -> None:
    class Pair(nn.Module):
        def __init__(self, one: bool) -> None:
            super().__init__()
            self.inner, self.one = cnn, one

        def forward(self, x: Tensor) -> Tensor:
            z = self.inner(x)[:, :1]
            return z if self.one else torch.cat([0 * z, z], 1)

    by_class = minimal_perturbation(Pair(False), images)
    by_label = minimal_perturbation(Pair(True), images, decision=LabelFlips())
    torch.testing.assert_close(by_label.distance, by_class.distance, rtol=1e-3, atol=1e-6)


@pytest.fixture(scope="module")
def segmenter() -> nn.Module:
    """A random convolutional network whose three channels all occur."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
    with torch.no_grad():
        model(torch.rand(64, 3, 16, 16))
        model[-1].weight *= 4
        model[-1].bias -= model(torch.rand(64, 3, 16, 16)).mean((0, 2, 3))
    return model.eval()


class Score(nn.Module):
    """Mean squared value of a network's outputs, (n,)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).square().flatten(1).mean(dim=1)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *itertools.product(
            ["labels", "number", "mask", "structures", "anomaly"], [{}, {"preset": "accurate"}, {"batch_size": 7}]
        ),
        *itertools.product(["labels", "number", "anomaly"], [{"search": "penalty"}]),
    ],
)
def test_the_answer_changes_at_the_perturbation_and_not_before(
    cnn: nn.Module, segmenter: nn.Module, images: Tensor, kind: str, options: dict[str, Any]
) -> None:
    cut = float(Score(segmenter)(images).detach().median())
    model, decision = {
        "labels": (cnn, LabelFlips()),
        "number": (cnn, LeavesBand(0.1)),
        "mask": (segmenter, DiceFalls(0.1)),
        "structures": (segmenter, DiceFalls(0.05, exclusive=False)),
        "anomaly": (Score(segmenter), CrossesCut(cut)),
    }[kind]
    found = minimal_perturbation(model, images, decision=decision, **options)
    assert found.flipped.all() and (found.distance > 0).all()
    assert _changed(decision, model, images, found.perturbation).all()
    assert not _changed(decision, model, images, 0 * found.perturbation).any()
    just_before = _changed(decision, model, images, (1 - 1e-3) * found.perturbation)
    half = _changed(decision, model, images, 0.5 * found.perturbation)
    assert (~just_before).float().mean() > 0.9 and (~half).float().mean() > 0.95


@pytest.mark.parametrize("decision", [LabelFlips(), DiceFalls(0.1)])
def test_independent_of_the_batch(cnn: nn.Module, segmenter: nn.Module, images: Tensor, decision: Decision) -> None:
    model = segmenter if isinstance(decision, DiceFalls) else cnn
    together = minimal_perturbation(model, images, decision=decision).distance
    alone = minimal_perturbation(model, images, decision=decision, batch_size=1).distance
    torch.testing.assert_close(alone, together, rtol=5e-3, atol=1e-5)
    assert torch.equal(minimal_perturbation(model, images, decision=decision).distance, together)


def test_the_dice_falls_by_the_step() -> None:
    """By hand: four pixels, one structure in two of them."""
    decision = DiceFalls(0.2)
    clean = torch.tensor([[2.0, 2.0, -2.0, -2.0]]).view(1, 1, 2, 2)
    outputs = torch.cat([torch.zeros_like(clean), clean], 1)
    p = torch.tensor([2.0, 2.0, -2.0, -2.0]).sigmoid()
    state = decision.state(outputs)
    assert decision.margins(outputs, state).item() == pytest.approx(-0.2)
    moved = outputs.clone()
    moved[0, 1, 0, 0] = -1
    q = torch.tensor([-1.0, 2.0, -2.0, -2.0]).sigmoid()
    dice = [float(2 * v[:2].sum() / (v.sum() + 2)) for v in (p, q)]
    assert decision.margins(moved, state).item() == pytest.approx(dice[0] - dice[1] - 0.2, abs=1e-6)
    as_structures = DiceFalls(0.2, exclusive=False)
    assert as_structures.margins(moved[:, 1:], clean).item() == pytest.approx(dice[0] - dice[1] - 0.2, abs=1e-6)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_structure_that_was_absent_changes_the_answer_by_showing_up(exclusive: bool) -> None:
    decision = DiceFalls(0.3, exclusive=exclusive)
    logits = torch.full((1, 2, 4, 4, 4), -1.0)  # a volume
    if exclusive:
        logits[:, 0] = 1.0
    state = decision.state(logits)
    margins = decision.margins(logits, state)
    assert margins.shape == (1, 1 if exclusive else 2) and (margins < 0).all()
    moved = logits.clone()
    moved[0, 1, 2, 2, 2] = 1.5
    assert decision.margins(moved, state)[0, -1].item() == pytest.approx(0.5 if exclusive else 1.5)


def test_what_cannot_fall_is_censored(segmenter: nn.Module, images: Tensor) -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([0 * x[:, 0], 0 * x[:, 0] + 1], 1)

    found = minimal_perturbation(Fixed(), images[:5], decision=DiceFalls(0.1))
    assert found.censored == 5 and found.distance.isnan().all()


def _cohort() -> Cohort:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (20, 16, 16, 3)).astype(np.uint8)
    sex = np.where(np.arange(20) % 3 == 0, "female", "male")
    return Cohort.from_arrays(pixels, np.arange(20) % 4, sensitive_features={"sex": sex}, classes=list("abcd"))


def test_a_cohort_by_decision_is_cached_under_its_options(cnn: nn.Module, tmp_path: Path) -> None:
    cohort = _cohort()
    first = boundary_distances(cnn, cohort, decision=LabelFlips(), cache=tmp_path, batch_size=7)
    again = boundary_distances(cnn, cohort, decision=LabelFlips(), cache=tmp_path)
    assert first.key == again.key and first.distance.tobytes() == again.distance.tobytes()
    keys = {boundary_distances(cnn, cohort, decision=d, cache=tmp_path).key for d in (None, LabelFlips(0.1))}
    assert len(keys | {first.key}) == 3
    assert first.settings["decision"] == "LabelFlips(cut=0.0)" and (first.answer == -1).all()


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (CrossesCut(0.5), "one number an image"),
        (DiceFalls(), "Masks are decided from logits"),
    ],
)
def test_outputs_that_do_not_fit(cnn: nn.Module, images: Tensor, decision: Decision, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        minimal_perturbation(cnn, images, decision=decision)


def test_refusals(cnn: nn.Module, segmenter: nn.Module, images: Tensor) -> None:
    for options in ({"target": 1}, {"labels": torch.zeros(64).long(), "from_": "label"}):
        with pytest.raises(SettingsError, match="own answer"):
            minimal_perturbation(cnn, images, decision=LabelFlips(), **options)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="not outputs"):
        minimal_perturbation(segmenter, images, decision=LeavesBand(1.0))
    with pytest.raises(SettingsError, match="give a decision="):
        minimal_perturbation(segmenter, images)
    for make in (lambda: LeavesBand(0.0), lambda: DiceFalls(-0.1), lambda: DiceFalls(1.5)):
        with pytest.raises(SettingsError, match=r"is -?[01]"):
            make()
