"""One option of reading is one line of one model: commands, configs, recipes and Python calls have it from there."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from everygroup.benchmark.recipe import CohortEntry
from everygroup.cli.advise import advise
from everygroup.cli.check import check
from everygroup.cli.fit import fit
from everygroup.cli.prepare import prepare
from everygroup.cli.train_options import RunKeys, resolve
from everygroup.datasets import read_cohort
from everygroup.errors import SettingsError
from everygroup.reading import Reading
from everygroup.settings import TrainSettings, build

NAMES = list(Reading.model_fields)


@pytest.mark.parametrize("command", [check, fit, advise])
def test_every_option_is_one_of_the_commands(command: Any) -> None:
    assert [name for name in inspect.signature(command).parameters if name in NAMES] == NAMES


def test_prepare_has_all_that_a_folder_can_keep() -> None:
    assert set(NAMES) - set(inspect.signature(prepare).parameters) == {"units_with_duplicates"}


def test_every_option_is_a_key_of_a_recipe_and_described() -> None:
    assert set(NAMES) <= set(CohortEntry.model_fields)
    for name, field in Reading.model_fields.items():
        assert field.description and field.description in (read_cohort.__doc__ or ""), name


def test_names_and_paths_are_taken_as_people_write_them() -> None:
    reading = build(Reading, {"group": "sex", "images": Path("a/b"), "label": None, "bins": {"age": "40,60"}})
    assert (reading.group, reading.images, reading.label) == (("sex",), "a/b", None)
    assert reading.given() == {"group": ("sex",), "images": "a/b", "bins": {"age": "40,60"}}
    assert build(Reading, {}).given() == {} and build(Reading, {"group": ["a", "b"]}).group == ("a", "b")


def test_all_wrong_values_and_names_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_cohort(tmp_path, image_size=0, resize="zoom", drop_unlabelled="yes", bins={"age": None})
    told = str(caught.value)
    assert all(name in told for name in ("image_size = 0", "resize = 'zoom'", "drop_unlabelled = 'yes'", "bins = "))
    with pytest.raises(SettingsError, match=r"'labl', 'grup'.*\n.*did you mean 'label', 'group'"):
        read_cohort(tmp_path, labl="dx", grup="sex")


def test_flags_win_over_set_and_set_over_the_config(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("label: a\ngroup: sex\nimage_size: 32\nsample_limit: null\nepochs: 3\nmethod: erm\n")
    reading, run = build(Reading, {"label": "c"}), build(RunKeys, {"compare": ["none"]})
    training = build(TrainSettings, {"epochs": 5})
    plan = resolve(reading, run, training, config=config, assignments=["label=b", "image_size=16", "lr=0.1"])
    assert plan.reading.given() == {"label": "c", "group": ("sex",), "image_size": 16}
    assert (plan.settings.epochs, plan.settings.lr, plan.method, plan.compare) == (5, 0.1, "erm", [])
    assert plan.to_dict()["group"] == ("sex",)


def test_new_data_is_read_as_at_training_but_from_its_own_place() -> None:
    trained = build(
        Reading,
        {
            "label": "dx",
            "images": "a.zip",
            "sample_limit": 5,
            "drop_unlabelled": True,
            "map": ["sex:m=male"],
            "bins": {},
        },
    )
    new = trained.of_new_data(map=("sex:f=female",), images="b.zip")
    assert new.given() == {"label": "dx", "map": ("sex:m=male", "sex:f=female"), "images": "b.zip"}
