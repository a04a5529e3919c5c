"""The store knows networks by what they depend on."""

from __future__ import annotations

from pathlib import Path

from everygroup.cohort import Split
from everygroup.methods import Lab, Store
from everygroup.settings import TrainSettings


def test_the_store_knows_a_network_by_its_content(two: Split, vector_settings: TrainSettings, tmp_path: Path) -> None:
    settings = vector_settings.but(updates=5)
    for name in ("one name", "another"):
        Lab(two.train, two.validation, settings, Store(tmp_path)).train_network(name=name)
    assert [p.name.split("-")[0] for p in (tmp_path / "networks").iterdir()] == ["one_name"]
