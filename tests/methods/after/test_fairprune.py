"""FairPrune: its saliency, the share it removes, and the round that is taken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, FairPrune, Lab, Store, create_method
from everygroup.methods.after import _rounds as rounds
from everygroup.methods.after._rounds import RoundRule
from everygroup.methods.after._saliency import (
    contrast,
    diagonal_fisher,
    group_fishers,
    layer_weights,
    lowest,
    privileged_group,
)
from everygroup.methods.after.fairprune import saliency
from everygroup.models import RoutedModel
from everygroup.models.steps.cut import Cut
from everygroup.networks import NetworkSpec, build_network
from everygroup.settings import TrainSettings

WHOLE = {"tolerance": 1.0, "patience": 99}  # no round ends the rounds


def network(kind: str, shape: tuple[int, ...]) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(NetworkSpec(kind, 3, shape)).eval()


# ---- saliency -----------------------------------------------------------------------------------------------------


def test_on_a_quadratic_loss_the_saliency_is_the_exact_change() -> None:
    """L_g = 0.5 sum_i h_i (theta_i - theta*_i)^2 at its minimum: to remove theta_i costs 0.5 h_i theta*_i^2."""
    generator = torch.Generator().manual_seed(0)
    best, h_unpriv, h_priv = torch.randn(6, generator=generator), torch.rand(6), torch.rand(6)
    beta = 0.4

    def loss(theta: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return 0.5 * (h * (theta - best) ** 2).sum()

    score = saliency(best, h_unpriv - beta * h_priv)
    for i in range(6):
        without = best.clone()
        without[i] = 0
        torch.testing.assert_close(score[i], loss(without, h_unpriv) - beta * loss(without, h_priv))
    assert float(saliency(torch.zeros(1), torch.ones(1))) == 0


def test_the_fisher_is_the_mean_square_of_every_samples_gradient() -> None:
    linear = network("linear", (4,))
    x, y = torch.randn(150, 4), torch.arange(150) % 3  # more than one chunk
    error = linear(x).detach().softmax(1) - F.one_hot(y, 3)
    found = diagonal_fisher(linear, x, y, layer_weights(linear))
    assert list(found) == ["body.head.weight"]
    torch.testing.assert_close(found["body.head.weight"], (error[:, :, None] * x[:, None]).square().mean(0))

    cnn = network("small_cnn", (8, 8, 3))
    x, y = torch.rand(3, 3, 8, 8), torch.tensor([0, 1, 2])
    names = layer_weights(cnn)
    assert len(names) == 4
    assert all(cnn.get_parameter(n).ndim == 4 for n in names)
    wanted = [torch.zeros_like(cnn.get_parameter(n)) for n in names]
    for i in range(3):
        one = F.cross_entropy(cnn(x[i : i + 1]), y[i : i + 1])
        for total, g in zip(wanted, torch.autograd.grad(one, [cnn.get_parameter(n) for n in names]), strict=True):
            total += g.square() / 3
    for n, value in zip(names, wanted, strict=True):
        torch.testing.assert_close(diagonal_fisher(cnn, x, y, names)[n], value, rtol=1e-4, atol=1e-7)


def test_fully_connected_layers_written_as_convolutions_are_not_pruned() -> None:
    layers = torch.nn.ModuleDict({"features": torch.nn.Conv2d(3, 4, 3), "pre_logits": torch.nn.Conv2d(4, 8, 7)})
    assert layer_weights(layers) == ["features.weight"]


def test_groups_are_measured_by_themselves_and_a_drawn_part_is_the_same_every_time(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(1000, missing=5))
    cohort, lab = split.train, Lab(split.train, split.validation, vector_settings)
    linear = build_network(NetworkSpec("linear", 2, (4,))).eval()
    names = layer_weights(linear)
    found = group_fishers(linear, lab, names, None)
    x = torch.from_numpy(np.asarray(cohort.batch(slice(None))))
    for g in (0, 1):
        inside = torch.from_numpy(cohort.group == g)
        wanted = diagonal_fisher(linear, x[inside], torch.from_numpy(cohort.y)[inside], names)
        torch.testing.assert_close(found[g], wanted)
    drawn = group_fishers(linear, lab, names, 20)
    torch.testing.assert_close(drawn, group_fishers(linear, lab, names, 20), rtol=0, atol=0)
    assert not torch.equal(drawn[0][names[0]], found[0][names[0]])


def test_the_best_served_group_stands_against_the_mean_of_the_rest() -> None:
    h = {g: {"w": torch.tensor([v])} for g, v in enumerate((1.0, 4.0, 10.0))}
    assert float(contrast({0: h[0], 1: h[1]}, 1, 0.5)["w"]) == 1 - 2
    assert float(contrast(h, 0, 0.5)["w"]) == 7 - 0.5
    assert float(contrast(h, 2, 0.0)["w"]) == 2.5


def test_lowest_ranks_truly_and_takes_exactly_so_many() -> None:
    score, free = torch.tensor([[3.0, 1.0], [2.0, 0.0]]), torch.tensor([[True, True], [True, False]])
    assert lowest(score, free, 2).tolist() == [[False, True], [True, False]]
    assert lowest(torch.zeros(5), torch.ones(5, dtype=torch.bool), 2).tolist() == [True, True, False, False, False]
    assert int(lowest(score, free, 9).sum()) == 3
    assert int(lowest(score, free, -1).sum()) == 0


# ---- privileged group ---------------------------------------------------------------------------------------------


def test_privileged_is_who_has_the_higher_validation_accuracy(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(400, 3))
    linear = build_network(NetworkSpec("linear", 2, (4,))).eval()
    y = torch.tensor([0, 0])
    with torch.no_grad():
        linear.head.weight.copy_(torch.tensor([[0.0] * 4, [0.0, 1.0, 0.0, 0.0]]))  # the rule of group 0
        linear.head.bias.copy_(y.float())
    lab = Lab(split.train, split.validation, vector_settings)
    assert privileged_group(linear, lab) == 0
    with pytest.raises(TrainingError, match="Only 1 groups"):
        privileged_group(linear, lab.but(validation=split.validation.where(split.validation.group == 1)))


# ---- the round that is taken --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accuracy", "odds", "chosen", "seen"),
    [
        ([0.9, 0.9, 0.9, 0.9], [0.3, 0.2, 0.1, 0.05], 3, 4),
        ([0.9, 0.9, 0.9, 0.9], [0.3, 0.2, 0.25, 0.2], 1, 4),  # two rounds in vain end it; the earlier of equals
        ([0.9, 0.89, 0.87, 0.9], [0.3, 0.2, 0.0, 0.0], 1, 3),  # too inaccurate: not taken, and the end
        ([0.9, 0.9, 0.9, 0.9], [0.3, 0.3, 0.4, 0.1], 0, 3),
        ([0.9, 0.9, 0.9, 0.9], [None, None, 0.4, None], 2, 4),  # undefined is never better
    ],
)
def test_the_rule_of_the_rounds(
    accuracy: list[float], odds: list[float | None], chosen: int, seen: int, monkeypatch: pytest.MonkeyPatch, two: Split
) -> None:
    answers = iter(zip(accuracy, odds, strict=True))
    monkeypatch.setattr(rounds, "validation_gaps", lambda *_: next(answers))
    networks = [build_network(NetworkSpec("linear", 2, (4,))) for _ in range(4)]
    rule = RoundRule(networks[0], Lab(two.train, two.validation), tolerance=0.02, patience=2)
    for linear in networks[1:]:
        if not rule.take(linear):
            break
    assert (rule.chosen, len(rule.records)) == (chosen, seen)
    assert rule.best is networks[chosen]
    start = f"round {chosen} of {seen - 1} (" if chosen else f"unchanged: erm (rounds: {seen - 1}; none"
    assert rule.said("erm").startswith(start)


def test_gaps_are_those_of_validation_with_missing_groups_left_out(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(300, missing=50))
    cohort, lab = split.validation, Lab(split.train, split.validation, vector_settings)
    linear = build_network(NetworkSpec("linear", 2, (4,))).eval()
    accuracy, odds = rounds.validation_gaps(linear, lab)
    assert (cohort.group < 0).any()
    y_pred = linear(torch.from_numpy(np.asarray(cohort.batch(slice(None))))).argmax(1).numpy()
    right, known = y_pred == cohort.y, cohort.group >= 0
    assert accuracy == right.mean()
    rate = np.array([[right[known & (cohort.group == g) & (cohort.y == k)].mean() for k in (0, 1)] for g in (0, 1)])
    assert odds == pytest.approx(np.abs(rate[0] - rate[1]).mean())  # with two classes dFPR_k = -dTPR of the other
    assert rounds.validation_gaps(linear, lab.but(validation=cohort.where(cohort.group == 0)))[1] is None


# ---- the method ---------------------------------------------------------------------------------------------------


def test_exactly_the_stated_share_is_pruned_by_rank_and_stays_pruned(
    images: Split, image_settings: TrainSettings, shared_store: Store
) -> None:
    lab = Lab(images.train, images.validation, image_settings, shared_store)
    trained = lab.erm().network
    before = copy.deepcopy(trained.state_dict())
    method = FairPrune(beta=0.0, share=0.07, candidates=1, samples=6)
    names = layer_weights(trained)
    total = sum(before[n].numel() for n in names)
    h = group_fishers(trained, lab, names, 6)[1]  # group 0 is privileged here
    obd = torch.cat([(0.5 * before[n] ** 2 * h[n]).flatten() for n in names])
    pruned, free = method._pruned(trained, 1, 0, {}, lab)
    weights = torch.cat([pruned.get_parameter(n).flatten() for n in names])
    gone = weights == 0
    assert int(gone.sum()) == round(0.07 * total)
    assert float(obd[gone].max()) <= float(obd[~gone].min())  # beta = 0 is OBD of the unprivileged group
    second, free = method._pruned(pruned, 2, 0, free, lab)
    weights = torch.cat([second.get_parameter(n).flatten() for n in names])
    assert int((weights == 0).sum()) == round(0.14 * total) == sum(int((~f).sum()) for f in free.values())
    assert (weights[gone] == 0).all()
    others = set(before) - set(names)
    assert all(torch.equal(second.state_dict()[n], before[n]) for n in others)  # nothing is trained again
    assert all(torch.equal(v, before[n]) for n, v in trained.state_dict().items())  # the stored one is whole
    assert len({rounds.content_hash(n) for n in (trained, pruned, second)}) == 3


def test_weights_with_a_large_effect_on_a_group_are_pruned_only_by_the_papers_rule(
    images: Split, image_settings: TrainSettings, shared_store: Store
) -> None:
    lab = Lab(images.train, images.validation, image_settings, shared_store)
    trained = lab.erm().network
    names = layer_weights(trained)
    h = group_fishers(trained, lab, names, 6)
    weight = torch.cat([trained.get_parameter(n).detach().flatten() for n in names])
    unpriv, priv = (torch.cat([h[g][n].flatten() for n in names]) for g in (1, 0))
    score, effect = saliency(weight, unpriv - 2 * priv), saliency(weight, torch.maximum(unpriv, priv))
    for candidates in (1.0, 0.5):
        method = FairPrune(beta=2.0, share=0.1, candidates=candidates, samples=6)
        pruned = method._pruned(trained, 1, 0, {}, lab)[0]
        gone = torch.cat([pruned.get_parameter(n).flatten() for n in names]) == 0
        may = effect <= effect.sort().values[int(candidates * len(effect) + 0.5) - 1]
        assert int(gone.sum()) == int(0.1 * len(gone) + 0.5)
        assert may[gone].all()
        assert float(score[gone].max()) <= float(score[may & ~gone].min())


def test_the_rounds_end_with_the_candidates(two: Split, vector_settings: TrainSettings) -> None:
    method = FairPrune(share=0.4, candidates=0.5, rounds=9, **WHOLE)
    model = method.fit(two.train, two.validation, settings=vector_settings.but(updates=10))
    assert [r.get("pruned") for r in model.info["rounds"]] == [None, 3, 4]  # of 8 weights


def test_rounds_are_recorded_and_the_taken_one_is_what_is_kept(
    two: Split, vector_settings: TrainSettings, tmp_path: Path
) -> None:
    mlp = vector_settings.but(backbone="mlp", updates=40)
    model = FairPrune(share=0.1, rounds=4, **WHOLE).fit(two.train, two.validation, settings=mlp)
    records, chosen = model.info["rounds"], model.info["chosen_round"]
    names = layer_weights(model.networks["pooled"])
    total = sum(model.networks["pooled"].get_parameter(n).numel() for n in names)
    assert [r.get("pruned") for r in records] == [None, *(int(0.1 * r * total + 0.5) for r in range(1, 5))]
    assert chosen == min(range(5), key=lambda r: (records[r]["eodds"], r))
    zeros = sum(int((model.networks["pooled"].get_parameter(n) == 0).sum()) for n in names)
    assert zeros == (records[chosen].get("pruned") or 0)
    assert model.info["privileged"] in two.train.groups
    model.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(two.test), model.predict_proba(two.test))
    assert again.info["rounds"] == records


def test_share_0_is_erm(two: Split, vector_settings: TrainSettings) -> None:
    erm = ERM().fit(two.train, two.validation, settings=vector_settings).predict_proba(two.test)
    off = FairPrune(share=0).fit(two.train, two.validation, settings=vector_settings)
    np.testing.assert_array_equal(off.predict_proba(two.test), erm)
    assert off.info["chosen_round"] == 0
    assert off.info["chosen"] == {"fairprune": "unchanged: erm (no round)"}
    assert off.method == "fairprune"


def test_prunes_whatever_single_network_the_chain_has_learnt(two: Split, vector_settings: TrainSettings) -> None:
    store, parts = Store(), {"settings": vector_settings.but(backbone="mlp", updates=40)}
    robust = create_method("group_dro").fit(two.train, two.validation, **parts, store=store).networks["pooled"]
    chain = create_method("group_dro + fairprune(rounds=1, tolerance=1.0)")
    model = chain.fit(two.train, two.validation, **parts, store=store)
    erm = ERM().fit(two.train, two.validation, **parts, store=store).networks["pooled"]
    names = layer_weights(robust)
    assert model.method == "group_dro + fairprune"
    assert set(model.info["hyperparameters"]) == {"group_dro", "fairprune"}
    assert model.info["rounds"][1]["pruned"] > 0
    for n, found in model.networks["pooled"].named_parameters():
        left = found != 0 if n in names else torch.ones_like(found, dtype=torch.bool)
        assert torch.equal(found[left], robust.get_parameter(n)[left])
    assert not torch.equal(robust.get_parameter(names[0]), erm.get_parameter(names[0]))


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        ("group_model + fairprune", "'group_model' makes several"),
        ("multitask + fairquantize", "'multitask' makes several"),
        ("erm(selection_by=group) + fairprune", "3 networks"),
        ("domain_independent(rule=max) + fairprune", "makes a DomainHeads"),
    ],
)
def test_refuses_more_than_one_plain_network(chain: str, why: str, two: Split, vector_settings: TrainSettings) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        create_method(chain).fit(two.train, two.validation, settings=vector_settings.but(updates=2))
    assert "group_dro" in caught.value.fix


def test_refuses_a_network_that_thresholds_were_fitted_to(two: Split, vector_settings: TrainSettings) -> None:
    lab = Lab(two.train, two.validation, vector_settings.but(updates=2))
    cut = lab.one_model("erm", lab.erm()).answering_by(Cut([0.4, 0.6], 0.5))
    with pytest.raises(SettingsError, match="that 'cut' was fitted to"):
        FairPrune().refine(cut, lab)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beta": -0.1},
        {"beta": float("nan")},
        {"share": 1.5},
        {"candidates": 0},
        {"rounds": 0},
        {"rounds": 2.5},
        {"patience": 0},
        {"tolerance": -1},
        {"samples": 0},
    ],
)
def test_refuses_impossible_values(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        FairPrune(**wrong)  # type: ignore[arg-type]
