"""Parts from a user's own file work together, and their model answers where the file is not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import CohortError, SettingsError
from everygroup.methods import Lab, Learn, Store, create_method, method
from everygroup.methods.imported import import_files
from everygroup.methods.parts import REGISTERED
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings
from everygroup.training import Learner

_FILES = {
    "own_combat.py": '''
"""ComBat's idea in small: every site gets the location and scale of everybody, one for all values."""

import numpy as np

from everygroup.methods import Before, Lab, method
from everygroup.models.transforms.affine_by_value import AffineByValue


@method("Harmonisation by site", "Johnson et al. Biostatistics 2007")
class OwnCombat(Before):
    batch: str

    def prepare(self, lab: Lab) -> Lab:
        x, site = lab.train.batch(slice(None)), lab.train.table[self.batch].to_numpy().astype(str)
        values = sorted(set(site))
        scale = np.stack([x.std(0) / x[site == v].std(0) for v in values])
        shift = np.stack([x.mean(0) - s * x[site == v].mean(0) for v, s in zip(values, scale)])
        return lab.seen_through(AffineByValue(self.batch, values, scale, shift))
''',
    "own_adversarial.py": '''
"""Adversarial training by gradient reversal."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.methods import Lab, Learn, method
from everygroup.training import Learner


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lam * gradient, None


class Reversed(Learner):
    def __init__(self, net, n_groups, lam):
        super().__init__(net)
        self.adversary, self.lam = nn.Linear(net.head.in_features, n_groups), lam

    def loss(self, x, batch):
        h = self.net.features(x)
        known = batch.group >= 0
        told = F.cross_entropy(self.adversary(Reverse.apply(h, self.lam))[known], batch.group[known])
        return batch.loss(self.net.head(h)) + told


@method("Domain-adversarial training", "Ganin et al. JMLR 2016", needs="hidden layer")
class OwnAdversarial(Learn):
    lam: float = Field(0.1, ge=0)

    def learner(self, lab: Lab) -> Learner:
        return Reversed(lab.network(), len(lab.groups), self.lam)
''',
    "own_thresholds.py": '''
"""A cut by group that gives every group the same share of positive answers."""

import numpy as np
from pydantic import Field

from everygroup.methods import After, method
from everygroup.models.steps.cut import Cut


@method("Thresholds by group", "Hardt et al. NeurIPS 2016")
class OwnThresholds(After):
    share: float = Field(0.3, gt=0, lt=1)

    def refine(self, model, lab):
        p, group = lab.answers(model, lab.validation)[:, 1], lab.validation.group
        cuts = [float(np.quantile(p[group == g], 1 - self.share)) for g in range(len(lab.groups))]
        return model.answering_by(Cut(cuts, float(np.quantile(p, 1 - self.share))))
''',
}
CHAIN = "own_combat(batch=site) + own_adversarial(lam=0.2) + own_thresholds(share=0.25)"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("own")
    for name, text in _FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    import_files(folder / name for name in _FILES)
    yield folder
    for file in _FILES:
        del REGISTERED[file.removesuffix(".py")]


def sites(n: int = 360) -> Cohort:
    """Vectors of two sites that see everything in another unit, with an offset; two groups at both."""
    rng = np.random.default_rng(0)
    group, site = rng.integers(0, 2, n), rng.integers(0, 2, n)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    y = (x[:, 1] + 0.5 * group > 0.25).astype(int)
    x = np.where(site[:, None] == 0, x, 0.2 * x + 3).astype(np.float32)
    columns = {
        "id": [f"s{i:03d}" for i in range(n)],
        "y": np.where(y == 1, "yes", "no"),
        "a": [f"g{g}" for g in group],
        "site": [f"site {v}" for v in site],
    }
    return Cohort.from_table(x, pd.DataFrame(columns), label="y", group="a", id_column="id", classes=("no", "yes"))


@pytest.fixture(scope="module")
def split() -> Split:
    return split_cohort(sites())


@pytest.fixture(scope="module")
def mlp(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(backbone="mlp", updates=80)


_FRESH = """
import json, sys
import numpy as np
import pandas as pd
import torch
torch.set_num_threads(1)
from everygroup.cohort import Cohort
from everygroup.models import RoutedModel
model = RoutedModel.load(sys.argv[1])
table, images = pd.read_csv(sys.argv[2], dtype={"id": str}), np.load(sys.argv[3])
cohort = Cohort.from_table(images, table, label=None, group="a", id_column="id", classes=model.classes)
found = model.predict(cohort)
np.savez(sys.argv[4], score=found.y_score, answer=found.y_pred)
own = ("everygroup.methods", "own_combat", "own_adversarial", "own_thresholds")
print(json.dumps([m for m in sys.modules if any(name in m for name in own)]))
"""


def test_before_learn_and_after_answer_in_a_process_that_knows_none_of_them(
    own: Path, split: Split, mlp: TrainSettings, tmp_path: Path
) -> None:
    chain = create_method(CHAIN)
    model = chain.fit(split.train, split.validation, settings=mlp)
    assert model.method == "own_combat + own_adversarial + own_thresholds"
    assert [type(t).__name__ for t in (*model.transforms, *model.steps)] == ["AffineByValue", "Cut"]
    assert (model.predict_proba(split.test).argmax(1) == split.test.y).mean() > 0.75
    found = model.predict(split.test)
    assert not np.array_equal(found.y_pred, found.y_score.argmax(1))  # the cut is not at a half

    model.save(tmp_path / "model")
    split.test.table.to_csv(tmp_path / "table.csv", index=False)
    np.save(tmp_path / "images.npy", split.test.batch(slice(None)))
    arguments = [str(tmp_path / name) for name in ("model", "table.csv", "images.npy", "found.npz")]
    for file in own.iterdir():
        file.unlink()
    done = subprocess.run([sys.executable, "-c", _FRESH, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []  # no code of a method was imported
    again = np.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(again["score"], found.y_score)
    np.testing.assert_array_equal(again["answer"], found.y_pred)


def test_each_part_does_something_and_the_networks_are_shared(own: Path, split: Split, mlp: TrainSettings) -> None:
    store = Store()
    texts = [
        "own_adversarial(lam=0.2)",
        "own_combat(batch=site) + own_adversarial(lam=0.2)",
        "own_combat(batch=site) + own_adversarial(lam=2)",
        "own_combat(batch=site) + own_adversarial(lam=0.2) + own_thresholds",
        "own_combat(batch=site) + own_thresholds",
    ]
    models = [
        create_method(text).fit(split.train, split.validation, settings=mlp.but(updates=20), store=store)
        for text in texts
    ]
    assert len(store._trained) == 4  # the third step behind the second network trains nothing
    scores = [model.predict_proba(split.test) for model in models]
    np.testing.assert_array_equal(scores[1], scores[3])
    for i, j in ((0, 1), (1, 2), (1, 4)):
        assert not np.array_equal(scores[i], scores[j])
    answers = [model.predict(split.test).y_pred for model in (models[1], models[3])]
    assert not np.array_equal(*answers)


def test_harmonisation_goes_in_front_of_methods_of_groups(own: Path, split: Split, mlp: TrainSettings) -> None:
    chain = create_method("own_combat(batch=site) + merge_groups + resampling + spare(min_group=10)")
    model = chain.fit(split.train, split.validation, settings=mlp.but(updates=20))
    assert set(model.route) == {"g0", "g1"}
    assert np.isfinite(model.predict_proba(split.test, routing="soft")).all()


def test_a_site_that_was_not_seen_or_is_not_told_is_refused(own: Path, split: Split, mlp: TrainSettings) -> None:
    model = create_method("own_combat(batch=site)").fit(split.train, split.validation, settings=mlp.but(updates=5))
    test = split.test
    with pytest.raises(CohortError, match="needs column 'site'"):
        model.predict_proba(
            Cohort.from_table(
                test.batch(slice(None)),
                test.table.drop(columns="site"),
                label=None,
                group="a",
                id_column="id",
                classes=model.classes,
            )
        )
    elsewhere = test.table.assign(site="site 9")
    with pytest.raises(CohortError, match="site 9"):
        model.predict_proba(
            Cohort.from_table(
                test.batch(slice(None)), elsewhere, label=None, group="a", id_column="id", classes=model.classes
            )
        )


def test_needs_are_checked_before_anything_is_trained(own: Path, split: Split, mlp: TrainSettings) -> None:
    store = Store()
    with pytest.raises(SettingsError, match="needs a backbone with a hidden layer"):
        create_method(CHAIN).fit(split.train, split.validation, settings=mlp.but(backbone="linear"), store=store)
    assert not store._trained


# ---- networks that no house can build again -----------------------------------------------------------------------


def test_a_network_that_cannot_be_built_again_is_refused_when_it_is_saved(
    split: Split, mlp: TrainSettings, tmp_path: Path
) -> None:
    class Odd(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net, self.extra = net, nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.extra(self.net(x))
            return answer

    @method("Odd", "Nobody 2026", name="odd")
    class OddLearn(Learn):
        def learner(self, lab: Lab) -> Learner:
            return Learner(Odd(lab.network()))

    del REGISTERED["odd"]
    model = OddLearn().fit(split.train, split.validation, settings=mlp.but(updates=3))
    assert np.isfinite(model.predict_proba(split.test)).all()
    with pytest.raises(SettingsError, match=r"'pooled' of method 'odd' is a Odd, which cannot be read back") as caught:
        model.save(tmp_path / "model")
    assert "answering" in str(caught.value.fix) and "domain_heads" in str(caught.value.fix)
    with pytest.raises(SettingsError, match="No trained model"):
        RoutedModel.load(tmp_path / "model")
