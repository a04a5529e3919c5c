"""Adapters by group: what is held, what a group starts from, and who answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.methods import Lab, Store, create_method
from everygroup.methods.by_group.spare.adapters import AdaptersOn
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings


@pytest.fixture(scope="module")
def world() -> Split:
    """Two groups; the small one has a rule of its own that its look does not tell."""
    rng = np.random.default_rng(0)
    n = 900
    group = (rng.random(n) < 0.3).astype(int)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    y = np.where(group == 1, x[:, 1] > 0, x[:, 0] > 0).astype(int)
    names = {"g": [("big", "small")[g] for g in group]}
    return split_cohort(Cohort.from_arrays(x, y, classes=["no", "yes"], sensitive_features=names))


@pytest.fixture(scope="module")
def settings() -> TrainSettings:
    return TrainSettings.make({"backbone": "mlp", "augment": "none", "updates": 80, "batch_size": 32, "lr": 3e-2})


def fit(name: str, world: Split, settings: TrainSettings, store: Store) -> RoutedModel:
    return create_method(name).fit(world.train, world.validation, settings=settings, store=store)


@pytest.mark.parametrize("parts", ["lora", "head"])
def test_a_group_with_a_rule_of_its_own_gains_and_nobody_else_changes(
    parts: str, world: Split, settings: TrainSettings, shared_store: Store
) -> None:
    erm, model = (fit(n, world, settings, shared_store) for n in ("erm", f"group_adapters(parts={parts})"))
    small = world.test.in_group("small")
    accuracy = [float((m.predict_proba(small).argmax(1) == small.y).mean()) for m in (erm, model)]
    assert accuracy[1] > accuracy[0] + 0.05
    fact = model.info["group_adapters"]["small"]
    assert fact["answers"] == "adapter" and fact["validation_loss"][1] < fact["validation_loss"][0]
    own, base = model.networks["small"], erm.networks["pooled"]
    shapes = [m.weight.shape for m in base.modules() if isinstance(m, torch.nn.Linear)]
    lora = sum(min(4, *shape) * sum(shape) for shape in shapes)
    assert fact["weights"] == (lora if parts == "lora" else shapes[-1].numel() + shapes[-1][0])
    held = getattr(own, "base", own).state_dict()
    changed = {n for n, v in base.state_dict().items() if not torch.equal(v, held[n])}
    assert changed == (set() if parts == "lora" else {n for n in held if n.startswith("body.head")})


def test_a_group_starts_as_erm_and_rank_0_is_erm(world: Split, settings: TrainSettings, shared_store: Store) -> None:
    lab = Lab(world.train, world.validation, settings, shared_store)
    x = torch.from_numpy(world.test.batch(slice(None)))
    trunk = AdaptersOn(lab.erm(), "lora", 4, False).trunk(lab).eval()
    torch.testing.assert_close(trunk(x), lab.erm().network(x), atol=1e-6, rtol=0)
    with torch.no_grad():
        trunk.b[0].normal_()
    torch.testing.assert_close(trunk.plain()(x), trunk(x), atol=1e-5, rtol=0)  # merged is not merged
    erm, off = (fit(n, world, settings, shared_store) for n in ("erm", "group_adapters(rank=0)"))
    np.testing.assert_array_equal(off.predict_proba(world.test), erm.predict_proba(world.test))
