"""Every method that vectors have what it needs for, on either backbone: a model that survives saving, or a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import create_method, lab, list_methods, method_class
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings

IMAGES = ("batch norm", "convolutions", "images")
NAMES = [name for name in list_methods() if method_class(name).info.needs not in IMAGES]


def _unfit(name: str, backbone: str) -> bool:
    """Whether a method has nothing to work on in a backbone: refusals beyond these would be a loss."""
    needs = method_class(name).info.needs
    return (needs, backbone) in (("hidden layer", "linear"), ("linear head", "mlp")) or (
        (name, backbone) == ("specialise", "linear")
    )


@pytest.mark.parametrize("backbone", ["linear", "mlp"])
@pytest.mark.parametrize("name", NAMES)
def test_trains_and_reloads_or_refuses_before_training(
    name: str, backbone: str, two: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    real = lab.training_key

    def counting(*arguments: object) -> str:
        trained.append(name)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(lab, "training_key", counting)
    settings = TrainSettings.make({"backbone": backbone, "updates": 4, "l2": [1e-2, 1.0]})
    try:
        model = create_method(name).fit(two.train, two.validation, settings=settings)
    except SettingsError as refusal:
        assert refusal.fix and not trained
        assert _unfit(name, backbone)
        return
    assert trained and not _unfit(name, backbone)
    score = model.predict_proba(two.test)
    assert np.isfinite(score).all()
    np.testing.assert_allclose(score.sum(1), 1, atol=1e-9)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(RoutedModel.load(tmp_path / "model").predict_proba(two.test), score)
