"""APPLE: mixtures of frozen downloads and an own core, a fading penalty, and rounds that survive a kill."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, Apple, Lab, Store
from everygroup.methods.by_group.apple import ClientMixture, proximal_weight
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, NetworkSpec, build_network
from everygroup.settings import TrainSettings
from everygroup.training import Batch, RunLog

from ..batches import batch_of

X = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
IMAGES = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
GROUP = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
Y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


def plain(kind: str = "mlp") -> Classifier:
    torch.manual_seed(0)
    network = build_network(NetworkSpec(kind, 3, (8, 8, 3) if kind == "small_cnn" else (4,)))
    assert isinstance(network, Classifier)
    return network


def mixture(kind: str = "mlp", *, penalised: int = 1, **options: object) -> ClientMixture:
    network = ClientMixture(plain(kind), (0.75, 0.25), Apple(**options), 3, penalised)
    torch.manual_seed(5)
    with torch.no_grad():
        for part in [*network.others, *network.downloaded]:
            for weight in part.parameters():
                weight.add_(0.1 * torch.randn_like(weight))
    return network


def batch(group: torch.Tensor = GROUP, y: torch.Tensor = Y) -> Batch:
    return batch_of(y, group)


def test_the_mixture_is_the_own_core_and_the_others_downloads_weighed_with_signs() -> None:
    network = mixture().eval()
    with torch.no_grad():
        network.p.copy_(torch.tensor([[1.2, -0.2], [0.3, 0.7]]))
    for i, j in ((0, 1), (1, 0)):
        by_hand = plain()
        with torch.no_grad():
            for w, own, other in zip(
                by_hand.parameters(), network.cores[i].parameters(), network.downloaded[j].parameters(), strict=True
            ):
                w.copy_(network.p[i, i] * own + network.p[i, j] * other)
        torch.testing.assert_close(network(X, torch.full((8,), i)), by_hand(X))
        torch.testing.assert_close(network.answering(i)(X), by_hand(X))
    mean = torch.stack([network.answering(i)(X).softmax(1) for i in (0, 1)]).mean(0)
    torch.testing.assert_close(network(X, torch.full((8,), -1)).softmax(1), mean)
    with pytest.raises(ValueError, match="mean of the groups' networks answers"):
        network.answering(None)
    with pytest.raises(ValueError, match="group"):
        network(X)
    with pytest.raises(ValueError, match="group"):
        network.train()(X, torch.full((8,), -1))


def test_at_the_start_every_client_is_the_backbone() -> None:
    network = ClientMixture(plain("small_cnn"), (0.75, 0.25), Apple(), 3, 1).eval()
    torch.testing.assert_close(network(IMAGES, GROUP), plain("small_cnn").eval()(IMAGES))


def test_a_client_trains_its_own_core_and_vector_only() -> None:
    network = mixture(mu=0.0).train()
    network.loss(X, batch(torch.zeros(8, dtype=torch.long))).backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in network.cores[0].parameters())
    assert all(w.grad is None for w in network.cores[1].parameters())
    assert all(w.grad is None for part in network.downloaded for w in part.parameters())
    assert (network.p.grad[0] != 0).all()
    assert (network.p.grad[1] == 0).all()
    parts = network.parameter_groups()
    assert parts[1] == {"params": [network.p], "lr_scale": 1.0, "weight_decay": 0.0}
    listed = {id(w) for part in parts for w in part["params"]}
    assert listed == {id(w) for w in network.parameters() if w.requires_grad}


def test_the_gradient_of_p_is_the_inner_product_with_the_core() -> None:
    """d CE / d p_ij = <d CE / d w_i^p, w_j>."""
    network = mixture(mu=0.0).train()
    network.loss(X, batch()).backward()
    for i in (0, 1):
        personal = network.answering(i).train()
        F.cross_entropy(personal(X[GROUP.eq(i)]), Y[GROUP.eq(i)]).backward()
        for j, core in enumerate(network._seen_by(i)):
            inner = sum(
                float((a.grad * b.detach()).sum())
                for a, b in zip(personal.parameters(), core.parameters(), strict=True)
            )
            assert float(network.p.grad[i, j]) == pytest.approx(inner, rel=1e-4)


def test_with_p_held_at_the_identity_the_networks_are_independent() -> None:
    network = mixture("small_cnn", start="own", p_lr_scale=0.0, penalised=9).train()
    assert not network.p.requires_grad
    assert len(network.parameter_groups()) == 1
    alone = [copy.deepcopy(core).train() for core in network.cores]
    network.loss(IMAGES, batch()).backward()
    for i, single in enumerate(alone):
        F.cross_entropy(single(IMAGES[GROUP.eq(i)]), Y[GROUP.eq(i)]).backward()
        for mine, other in zip(network.cores[i].parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, other.grad)
        for name, buffer in single.named_buffers():
            torch.testing.assert_close(network.cores[i].get_buffer(name), buffer)


def test_the_penalty_and_its_schedule() -> None:
    network = mixture(penalised=2)
    assert float(network.penalty().detach()) == 0.0
    with torch.no_grad():
        network.p.copy_(torch.eye(2))
    assert float(network.penalty().detach()) == pytest.approx(2 * 0.25**2 + 2 * 0.75**2)
    assert [proximal_weight(r, 4, "cosine") for r in range(6)] == pytest.approx(
        [1, (math.cos(math.pi / 4) + 1) / 2, 0.5, (math.cos(3 * math.pi / 4) + 1) / 2, 0, 0]
    )
    assert [proximal_weight(r, 3, "exponential") for r in range(4)] == pytest.approx([1, 0.1, 0.01, 0])
    assert proximal_weight(0, 0, "cosine") == 0.0

    def of(mu: float) -> torch.Tensor:
        network.mu = mu
        return network.loss(X, batch()).detach()

    network.eval()
    first = of(0.3) - of(0.0)
    assert float(first) == pytest.approx(0.3 * float(network.penalty().detach()), rel=1e-4)
    network.updates.fill_(3)
    assert float(of(0.3) - of(0.0)) == pytest.approx(float(first) / 2, rel=1e-4)
    network.updates.fill_(6)
    torch.testing.assert_close(of(0.3), of(0.0))


def test_cores_are_downloaded_when_a_round_starts_and_not_before() -> None:
    network = mixture().train()
    refreshed = []
    for _ in range(7):
        with torch.no_grad():
            for core in network.cores:
                for w in core.parameters():
                    w.add_(0.01)
        network.before_update(batch())
        same = zip(network.downloaded.parameters(), (w for c in network.cores for w in c.parameters()), strict=True)
        refreshed.append(all(torch.equal(a, b) for a, b in same))
        network.after_update(batch())
    assert refreshed == [True, False, False, True, False, False, True]
    assert network.round == 2
    before = copy.deepcopy(network.state_dict())
    network.updates.fill_(6)
    network.eval().loss(X, batch())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items() if k.startswith("downloaded"))


def test_statistics_are_the_clients_own_or_averaged_with_the_size_of_p() -> None:
    states = {}
    for statistics in ("own", "mixed"):
        network = mixture("small_cnn", statistics=statistics).train()
        network(IMAGES, GROUP)
        for buffer in network.downloaded.buffers():
            buffer.add_(1)
        with torch.no_grad():
            network.p[0].copy_(torch.tensor([1.5, -0.5]))
        answer = network.eval().answering(0)
        torch.testing.assert_close(answer.eval()(IMAGES), network(IMAGES, torch.zeros(8, dtype=torch.long)))
        states[statistics] = (answer.state_dict(), network)
    for name in states["own"][1]._statistics:
        own, other = (states["own"][1]._seen_by(0)[j].get_buffer(name) for j in (0, 1))
        torch.testing.assert_close(states["own"][0][name], own)
        wanted = 0.75 * own + 0.25 * other if own.is_floating_point() else own
        torch.testing.assert_close(states["mixed"][0][name], wanted)


def test_a_client_with_one_sample_in_a_batch_gathers_no_statistics() -> None:
    network = mixture("small_cnn").train()
    before = copy.deepcopy(network.state_dict())
    network(IMAGES[:4], torch.tensor([0, 0, 0, 1]))
    moved = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(k.startswith("net.") for k in moved)


def test_one_group_is_erm(make_vectors: Callable[..., Cohort], images: Split, image_settings: TrainSettings) -> None:
    """To the last bit: p is held at 1, and the cohort, the batches and the initial weights are ERM's."""
    vectors = split_cohort(make_vectors(160, groups=1))
    inside = [p.in_group(p.groups[0]) for p in (images.train, images.validation, images.test)]
    pictures = [
        Cohort.from_arrays(
            np.asarray(p.batch(slice(None))),
            p.y,
            classes=p.classes,
            sensitive_features={"g": ["all"] * len(p)},
            ids=p.ids,
        )
        for p in inside
    ]
    linear = TrainSettings.make({"updates": 40, "batch_size": 32, "backbone": "mlp", "augment": "none"})
    for (a, b, c), settings in (
        ((vectors.train, vectors.validation, vectors.test), linear),
        (pictures, image_settings.but(updates=8)),
    ):
        erm = ERM().fit(a, b, settings=settings).predict_proba(c)
        one = Apple().fit(a, b, settings=settings).predict_proba(c)
        np.testing.assert_array_equal(one, erm)


def test_a_killed_run_goes_on_to_the_same_network(two: Split, vector_settings: TrainSettings, tmp_path: Path) -> None:
    settings = vector_settings.but(updates=24, batch_size=24)
    method = Apple(local_updates=4, dynamic_share=0.5)

    def fit(store: Store) -> RoutedModel:
        return method.fit(two.train, two.validation, settings=settings, store=store)

    def mixture_of(store: Store) -> ClientMixture:
        lab = Lab(two.train, two.validation, settings, store)
        learner = lab.train_network(method, "apple", where=lab.known).learner
        assert isinstance(learner, ClientMixture)
        return learner

    class Killed(RunLog):
        def update(self, records: list[dict[str, object]], **options: int | None) -> None:  # type: ignore[override]
            if len(records) == 2:
                raise KeyboardInterrupt

    whole, again = Store(), Store(tmp_path)
    fit(whole)
    with pytest.raises(KeyboardInterrupt):
        fit(Store(tmp_path, Killed()))
    assert len(list(tmp_path.rglob("checkpoint.safetensors"))) == 1
    fit(again)
    assert len(again.log.table) > 2
    expected, found = mixture_of(whole), mixture_of(again)
    assert all(torch.equal(v, found.state_dict()[k]) for k, v in expected.state_dict().items())
    assert int(found.updates) == 24
    assert not torch.equal(found.p, torch.full((2, 2), 0.5))


def test_it_is_saved_read_back_and_told_what_cannot_be(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings, tmp_path: Path
) -> None:
    split = split_cohort(make_vectors(200, groups=3, missing=12))
    model = Apple(local_updates=5).fit(split.train, split.validation, settings=vector_settings.but(updates=20))
    assert np.shape(model.info["p"]) == (3, 3)
    assert model.info["rounds"] == 4
    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(split.test), model.predict_proba(split.test))
    assert all(isinstance(n, Classifier) for n in again.networks.values())
    wrong: list[dict[str, object]] = [
        {"mu": -1},
        {"schedule": "linear"},
        {"dynamic_share": 2},
        {"local_updates": 0},
        {"p_lr_scale": math.nan},
        {"start": "zero"},
        {"statistics": "summed"},
    ]
    for values in wrong:
        with pytest.raises(SettingsError, match=next(iter(values))):
            Apple(**values)  # type: ignore[arg-type]
    bare = split.train.where(split.train.group != 1)
    with pytest.raises(TrainingError, match="g1"):
        Apple().fit(bare, split.validation, settings=vector_settings)
