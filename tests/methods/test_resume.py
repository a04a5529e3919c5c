"""A training that is stopped after an epoch goes on to the same bits, whatever a method keeps between updates."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.methods import Store, create_method, list_methods, method_class
from everygroup.methods.parts import Learn
from everygroup.settings import TrainSettings
from everygroup.training import loop

from .test_contract import IMAGES

NAMES = [
    name
    for name in list_methods()
    if issubclass(method_class(name), Learn) and method_class(name).info.needs not in (*IMAGES, "linear head")
]


class StoppedError(Exception):
    """What stands for a kill."""


@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_training_goes_on_to_the_same_bits(
    name: str, two: Split, vector_settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = vector_settings.but(backbone="mlp", updates=9, batch_size=48, selection="last")
    options = {"teacher": "erm"} if name == "distilled" else {}
    method = create_method(name, options)
    whole = method.fit(two.train, two.validation, settings=settings, store=Store(tmp_path / "whole"))
    saved, real = [], loop.save_checkpoint

    def stopping(path: Path, state: Any, *rest: Any) -> None:
        real(path, state, *rest)
        saved.append(state.epoch)
        if len(saved) <= 2:  # twice: also in what goes on, or in a second training
            raise StoppedError

    monkeypatch.setattr(loop, "save_checkpoint", stopping)
    for _ in range(3):
        with suppress(StoppedError):
            again = method.fit(two.train, two.validation, settings=settings, store=Store(tmp_path / "again"))
    assert len(saved) >= 2, "nothing was stopped"
    np.testing.assert_array_equal(again.predict_proba(two.test), whole.predict_proba(two.test))
