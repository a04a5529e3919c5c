"""Distillation: its loss, its limits and what the student learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Cohort, Split
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, Distilled, GroupModel, Lab, Store, SubsetERM, create_method
from everygroup.methods.learn.distilled import Taught, softened
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, NetworkSpec, build_network
from everygroup.settings import TrainSettings
from everygroup.targets import Classes
from everygroup.training import Batch, Learner

NO_COHORT: Any = None


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=60, selection="last")


def network(n_outputs: int = 3, kind: str = "linear") -> Classifier:
    torch.manual_seed(0)
    built = build_network(NetworkSpec(kind, n_outputs, (4,)))
    assert isinstance(built, Classifier)
    return built


def batch(n: int, weight: torch.Tensor | None = None, index: np.ndarray | None = None, smoothing: float = 0.0) -> Batch:
    y, group = torch.arange(n) % 3, torch.zeros(n, dtype=torch.int64)
    weight = torch.ones(n) if weight is None else weight
    index = np.arange(n) if index is None else index
    return Batch(y, weight, group, index, Classes(["a", "b", "c"]), NO_COHORT, smoothing)


def taught(net: Classifier, lam: float, temperature: float, p: np.ndarray) -> Taught:
    return Taught(net, softened(p, temperature), lam, temperature)


def test_softened_answers_are_the_softmax_of_scaled_logits() -> None:
    z = np.random.default_rng(0).standard_normal((5, 3)) * 4
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    expected = torch.from_numpy(z / 2.5).softmax(1).numpy()
    np.testing.assert_allclose(np.exp(softened(p, 2.5)), expected, rtol=1e-12)
    sure = softened(np.array([[1.0, 0.0]]), 1.0)
    assert np.isfinite(sure).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_papers(smoothing: float) -> None:
    lam, t = 0.3, 2.0
    net, x = network(), torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    p = np.random.default_rng(0).dirichlet([1, 1, 1], 6)
    index, weight = np.array([5, 0, 3, 3]), torch.tensor([1.0, 2.0, 0.5, 1.0])
    found = taught(net, lam, t, p).loss(x, batch(4, weight, index, smoothing))
    q = p[index] ** (1 / t)
    q = torch.from_numpy(q / q.sum(1, keepdims=True))
    z = net(x).double()
    kl = (q * (q.log() - (z / t).log_softmax(1))).sum(1)
    ce = F.cross_entropy(z, torch.arange(4) % 3, reduction="none", label_smoothing=smoothing)
    expected = (weight * ((1 - lam) * ce + lam * t**2 * kl)).mean()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_a_linear_student_finds_a_linear_teacher_whatever_the_labels() -> None:
    """With lam = 1 the optimum of the convex loss is the teacher itself: KL 0, and its weights up to a constant."""
    teacher, student = network(), network()
    with torch.no_grad():
        for p in teacher.parameters():
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(3)))
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(2))
    learner = taught(student, 1.0, 3.0, teacher(x).double().softmax(1).detach().numpy())
    optimiser = torch.optim.LBFGS(student.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = learner.loss(x, batch(40))
        value.backward()
        return value

    optimiser.step(closure)
    assert float(closure().detach()) < 1e-5
    w, v = (n.head.weight.detach() for n in (student, teacher))
    torch.testing.assert_close(w - w.mean(0), v - v.mean(0), atol=0.02, rtol=0.02)


def test_gradients_of_both_terms() -> None:
    """Of the labels' term softmax(z) - y, of the teacher's T (softmax(z / T) - q); each scaled by its share and 1/B."""
    x, t = torch.randn(1, 4, generator=torch.Generator().manual_seed(1)), 4.0
    p = np.array([[0.2, 0.3, 0.5]])
    for lam in (0.0, 0.4, 1.0):
        net = network()
        taught(net, lam, t, p).loss(x, batch(1)).backward()
        z = net(x).detach()[0]
        q = torch.from_numpy(p[0] ** (1 / t) / (p[0] ** (1 / t)).sum()).float()
        own = z.softmax(0) - torch.tensor([1.0, 0, 0])
        expected = (1 - lam) * own + lam * t * ((z / t).softmax(0) - q)
        assert net.head.bias.grad is not None
        torch.testing.assert_close(net.head.bias.grad, expected, rtol=1e-4, atol=1e-6)


def test_lam_0_is_erm_bit_for_bit(two: Split, settings: TrainSettings) -> None:
    store = Store()
    model = Distilled(lam=0.0).fit(two.train, two.validation, settings=settings, store=store)
    erm = ERM().fit(two.train, two.validation, settings=settings, store=store)
    np.testing.assert_array_equal(model.predict_proba(two.test), erm.predict_proba(two.test))
    assert set(store.log.table["model"]) == {"erm"}
    assert Distilled(lam=0.0).cost(["g0", "g1"]) == 1
    p = np.random.default_rng(0).dirichlet([1, 1], len(two.train))

    class Blind:  # lam = 0 in the loss itself
        key = "blind"

        def learner(self, lab: Lab) -> Learner:
            return taught(lab.network(), 0.0, 2.0, p)

    lab = Lab(two.train, two.validation, settings)
    for a, b in zip(lab.train_network(Blind()).network.parameters(), lab.erm().network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_student_approaches_the_teacher(two: Split, settings: TrainSettings, shared_store: Store) -> None:
    """A teacher that knows one group only has another rule than the labels of everybody."""
    options = {"teacher": "subset_erm", "teacher_options": {"groups": "g0"}, "temperature": 1.0}
    teacher = SubsetERM(groups="g0").fit(two.train, two.validation, settings=settings, store=shared_store)
    p = teacher.predict_proba(two.train)

    def away(lam: float) -> float:
        method = Distilled(lam=lam, **options)  # type: ignore[arg-type]
        model = method.fit(two.train, two.validation, settings=settings, store=shared_store)
        q = model.predict_proba(two.train)
        return float((p * np.log(p / q)).sum(1).mean())

    distances = [away(lam) for lam in (0.0, 0.5, 1.0)]
    assert distances[0] > 1.5 * distances[1] > 3 * distances[2]


def test_one_network_answers_without_the_group(two: Split, settings: TrainSettings, tmp_path: Path) -> None:
    store = Store()
    method = Distilled(teacher_options={"min_group": 10})
    model = method.fit(two.train, two.validation, settings=settings, store=store)
    assert list(model.networks) == ["pooled"]
    assert len(store._trained) == method.cost(["g0", "g1"]) == Distilled.info.cost(2) == 6
    blind = Cohort.from_arrays(
        two.test.batch(slice(None)),
        two.test.y,
        classes=two.test.classes,
        sensitive_features={"a": [""] * len(two.test)},
    )
    np.testing.assert_array_equal(model.predict_proba(blind), model.predict_proba(two.test))
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        RoutedModel.load(tmp_path / "model").predict_proba(two.test), model.predict_proba(two.test)
    )


def test_a_student_that_is_told_the_group(two: Split, settings: TrainSettings, shared_store: Store) -> None:
    method = Distilled(teacher="group_model", student_group=True, lam=1.0)
    model = method.fit(two.train, two.validation, settings=settings, store=shared_store)
    assert method.cost(["g0", "g1"]) == 3
    assert model.route == {"g0": "g0", "g1": "g1"}
    teacher = GroupModel().fit(two.train, two.validation, settings=settings, store=shared_store)
    alone = Distilled(teacher="group_model", lam=1.0).fit(
        two.train, two.validation, settings=settings, store=shared_store
    )
    p = teacher.predict_proba(two.train)
    told, blind = (float((p * np.log(p / m.predict_proba(two.train))).sum(1).mean()) for m in (model, alone))
    assert told < blind / 2
    only = two.train.where(two.train.group == 0)
    with pytest.raises(TrainingError, match="g1 has no training samples"):
        Distilled(teacher="erm", student_group=True).fit(only, two.validation, settings=settings)


def test_another_teacher_is_another_network(two: Split, settings: TrainSettings) -> None:
    store = Store()
    for teacher in ("erm", "group_model", "erm"):
        Distilled(teacher=teacher).fit(two.train, two.validation, settings=settings, store=store)
    assert sum(t.log[0]["model"] == "distilled" for t in store._trained.values()) == 2


def test_a_teacher_may_be_a_chain(two: Split, settings: TrainSettings) -> None:
    store = Store()
    method = Distilled(teacher="resampling(power=0.5) + group_dro")
    assert method.cost(["g0", "g1"]) == 2
    method.fit(two.train, two.validation, settings=settings, store=store)
    assert list(store.log.table["model"].unique()) == ["group_dro", "distilled"]


def test_the_teacher_stands_behind_what_stands_in_front_of_the_student(two: Split, settings: TrainSettings) -> None:
    store, parts = Store(), (two.train, two.validation)
    create_method("resampling + distilled(teacher=erm)").fit(*parts, settings=settings, store=store)
    create_method("resampling + erm").fit(*parts, settings=settings, store=store)
    assert len(store._trained) == 2  # the teacher is this ERM, of balanced batches
    ERM().fit(*parts, settings=settings, store=store)
    assert len(store._trained) == 3


def test_what_the_teacher_said_is_in_no_file_and_a_killed_training_goes_on(
    two: Split, settings: TrainSettings, tmp_path: Path
) -> None:
    method, options = Distilled(teacher="group_model"), {"settings": settings.but(epochs=6, updates=None)}
    whole = method.fit(two.train, two.validation, **options, store=Store())
    store = Store(tmp_path)
    update = store.log.update

    def kill(records: list[dict[str, Any]], **more: Any) -> None:
        if records[-1]["model"] == "distilled" and records[-1]["epoch"] == 3:
            raise KeyboardInterrupt
        update(records, **more)

    store.log.update = kill  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        method.fit(two.train, two.validation, **options, store=store)
    resumed = method.fit(two.train, two.validation, **options, store=Store(tmp_path))
    np.testing.assert_array_equal(resumed.predict_proba(two.test), whole.predict_proba(two.test))
    learner = taught(network(), 0.5, 2.0, np.full((7, 3), 1 / 3))
    assert not [name for name in learner.state_dict() if not name.startswith("net.")]


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"lam": 1.5}, "lam"),
        ({"lam": float("nan")}, "lam"),
        ({"lam": True}, "lam"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"student_group": "yes"}, "student_group"),
        ({"teacher": "spar"}, "did you mean 'spare'"),
        ({"teacher": 3}, "teacher = 3"),
        ({"teacher_options": 3}, "teacher_options"),
        ({"teacher_options": {"alpa": 1}}, "did you mean 'alpha'"),
        ({"teacher_options": {"alpha": 2.0}}, "= 2.0"),
    ],
    ids=str,
)
def test_impossible_hyperparameters(hyper: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Distilled(**hyper)  # type: ignore[arg-type]
    assert caught.value.fix


def test_refuses_what_the_teacher_refuses() -> None:
    with pytest.raises(SettingsError, match="batch norm"):
        Distilled(teacher="fair_adabn").check_network(network())
    Distilled(teacher="fair_adabn", lam=0.0).check_network(network())
