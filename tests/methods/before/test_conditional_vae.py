"""The code of a conditional autoencoder keeps what the decoder is not told."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.methods import Lab, create_method
from everygroup.methods.before.conditional_vae import ConditionalVAE
from everygroup.settings import TrainSettings


def explained(code: np.ndarray, value: np.ndarray) -> float:
    """Share of a value's variance that a linear function of the code explains."""
    design = np.concatenate([code, np.ones((len(code), 1))], 1)
    fitted = design @ np.linalg.lstsq(design, value, rcond=None)[0]
    return float(1 - ((value - fitted) ** 2).sum() / ((value - value.mean()) ** 2).sum())


def test_the_code_keeps_what_is_not_the_groups(two: Split, head_settings: TrainSettings) -> None:
    lab = Lab(two.train, two.validation, head_settings)
    seen = ConditionalVAE(width=6, beta=1.0).prepare(lab)
    code, x = (part.batch(slice(None)).astype(float) for part in (seen.train, lab.train))
    assert code.shape == (len(x), 6) and np.isfinite(code).all()
    kept = [explained(code, x[:, k]) for k in range(1, 4)]
    of_group = explained(code, (lab.train.group == 1).astype(float))
    assert np.mean(kept) > 0.6 and of_group < explained(x, (lab.train.group == 1).astype(float)) - 0.15
    again = ConditionalVAE(width=6, beta=1.0).prepare(lab).train.batch(slice(None))
    np.testing.assert_array_equal(again, code.astype(np.float32))


def test_no_group_is_needed_at_prediction(two: Split, head_settings: TrainSettings) -> None:
    model = create_method("conditional_vae(updates=100)").fit(two.train, two.validation, settings=head_settings)
    blind = two.test.with_groups(np.full(len(two.test), -1), two.test.groups)
    assert model.predict_proba(blind).shape == (len(blind), 2)
    assert (model.predict_proba(two.test).argmax(1) == two.test.y).mean() == pytest.approx(0.8, abs=0.2)
