"""At its off value a method is empirical risk minimisation, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.methods import Store, create_method
from everygroup.settings import TrainSettings

OFF = [
    "adversarial(lam=0)",
    "laftr(lam=0)",
    "cfair(mu=0)",
    "confusion(lam=0)",
    "lnl(lam=0, mu=0)",
    "fairness_penalty(lam=0)",
    "distribution_matching(lam=0)",
    "balanced_softmax(tau=0)",
    "margin_ranking(mixed=1)",
    "fairalm(eta=0)",
    "jtt(up=1)",
    "arl(lam=0)",
    "sam(rho=0)",
    "gsam(rho=0)",
    "supcon(lam=0)",
    "fairdisco(alpha=0, beta=0)",
    "end(alpha=0, beta=0)",
    "circle(alpha=0)",
    "orthogonal(column=0, row=0)",
    "odr(entropy=0, prior=0)",
    "reweighing(power=0)",
    "fill_cells(share=0)",
]


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


@pytest.mark.parametrize("method", OFF)
def test_off_is_erm(method: str, two: Split, vector_settings: TrainSettings, store: Store) -> None:
    settings = vector_settings.but(backbone="mlp", updates=25)
    fitted = [create_method(m).fit(two.train, two.validation, settings=settings, store=store) for m in ("erm", method)]
    np.testing.assert_array_equal(fitted[0].predict_proba(two.test), fitted[1].predict_proba(two.test))
