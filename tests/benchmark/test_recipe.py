"""Recipes: what they may say, and what a mistake is answered with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.benchmark.chosen_part import choose_attributes, choose_cohorts
from everygroup.benchmark.recipe import (
    Recipe,
    drawn_of,
    hyperparameters_of,
    list_recipes,
    read_recipe,
)
from everygroup.benchmark.search import Range, draw_values
from everygroup.errors import SettingsError
from everygroup.methods import list_methods
from everygroup.methods.chain import parse

Make = Callable[..., Recipe]


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: mine\n"
        "cohorts: [{name: a, source: sim, attributes: {tone: {group: tone}, old: {group: [age], bins: {age: 55}}}}]\n"
        "methods: [erm, {name: spare, label: spare half, hyperparameters: {alpha: 0.5}}]\n"
        "settings: {lr: 1e-3}\n"
    )
    recipe = read_recipe(path)
    assert [m.title for m in recipe.methods] == ["erm", "spare half"]
    assert recipe.training("small_cnn", 7).lr == 1e-3 and recipe.training("small_cnn", 7).seed == 7
    assert list(recipe.cohorts[0].attributes) == ["tone", "old"] and not recipe.searches


def test_every_shipped_recipe_is_valid_at_every_size() -> None:
    assert "spare/main" in list_recipes()
    for name in list_recipes():
        recipe = read_recipe(name)
        assert recipe.title and recipe.question
        assert {"small", "paper" if name.startswith("spare/") else "full"} <= set(recipe.sizes)
        for size in recipe.sizes:
            assert recipe.at(size).methods == recipe.methods
        assert {name for m in recipe.methods for name, _ in parse(m.name)} <= set(list_methods())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": 1}, ["tiny.yaml: colour", "remove colour"]),
        ({"seeds": [0, 0]}, ["seeds lists 0 twice"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [True]}, ["seeds.0"]),
        ({"methods": ["erm", "erm"]}, ["methods lists erm twice"]),
        ({"methods": ["emr"]}, ["Unknown method", "'erm'"]),
        ({"methods": [{"name": "spare", "hyperparameters": {"alhpa": 1}}]}, ["alhpa", "'alpha'"]),
        ({"methods": [{"name": "spare", "search": {"alpha": {"uniform": [0, 9]}}}], "draws": 9}, ["alpha"]),
        ({"methods": [{"name": "spare", "search": {"alpha": {"uniform": [1, 0]}}}]}, ["lower one first"]),
        ({"methods": [{"name": "spare", "search": {"alpha": {}}}]}, ["exactly one of"]),
        ({"settings": {"lrr": 1}}, ["tiny.yaml", "lrr", "'lr'"]),
        ({"settings": {"seed": 1}}, ["seed stands elsewhere"]),
        ({"search": {"epochs": {"integer": [1, 2]}}}, ["epochs cannot be drawn"]),
        ({"choose_by": "luck"}, ["luck"]),
        ({"preset": "fast"}, ["preset"]),
        ({"reports": ["pie"]}, ["reports.0"]),
        ({"cohorts": [{"name": "a", "source": "toy", "image_size": 8}]}, ["image_size means nothing for source toy"]),
        ({"cohorts": [{"name": "a b", "source": "toy"}]}, ["cohorts.0.name"]),
        ({"cohorts": []}, ["cohorts"]),
    ],
)
def test_mistakes_name_file_key_and_fix(recipe: Make, changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        recipe(**changes)
    assert "tiny.yaml" in str(caught.value) and caught.value.fix
    for word in words:
        assert word in str(caught.value)


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="spare/main"):
        read_recipe("spare/mane")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(SettingsError, match="holds no settings"):
        read_recipe(tmp_path / "list.yaml")
    (tmp_path / "evil.yaml").write_text("title: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(SettingsError, match="Cannot read"):
        read_recipe(tmp_path / "evil.yaml")


def test_a_size_overrides_settings_cohorts_and_seeds(recipe: Make) -> None:
    sizes = {
        "small": {"settings": {"updates": 5}, "cohorts": {"toy": {"n": 100}}, "cohort": {"image_size": 20}},
        "large": {"seeds": [3], "backbones": "mlp", "draws": 2, "preset": "quick"},
    }
    whole = recipe(sizes=sizes)
    small, large = whole.at(None), whole.at("large")
    assert small.settings["updates"] == 5 and small.settings["lr"] == 0.03
    assert small.cohorts[0].n == 100 and small.cohorts[0].image_size is None  # vectors have none
    assert (large.seeds, large.backbones, large.draws, large.preset) == ([3], ["mlp"], 2, "quick")
    with pytest.raises(SettingsError, match="small, large"):
        whole.at("huge")
    with pytest.raises(SettingsError, match="which the recipe lacks"):
        recipe(sizes={"small": {"cohorts": {"other": {}}}}).at("small")


def test_cohorts_are_chosen_and_located(recipe: Make) -> None:
    two = recipe(cohorts=[{"name": "toy", "source": "toy"}, {"name": "mine", "source": "nowhere", "label": "dx"}])
    assert [c.source for c in choose_cohorts(two, ["mine=/data/x"]).cohorts] == ["/data/x"]
    with pytest.raises(SettingsError, match="toy, mine"):
        choose_cohorts(two, ["his"])


def test_fresh_seeds_and_one_split_where_draws_are_judged(recipe: Make) -> None:
    searching = {"methods": [{"name": "multitask", "search": {"strength": {"log_uniform": [0.001, 1]}}}], "draws": 3}
    assert recipe(**searching).searches
    with pytest.raises(SettingsError, match="fresh ones"):
        recipe(**searching, search_seeds=[1])
    # the same patients split anew for every seed: a draw would be judged on another seed's test patients
    torn = {"name": "toy", "source": "toy", "cohort_seed": 0, "split_seed": "each"}
    with pytest.raises(SettingsError, match="split_seed a number"):
        recipe(**searching, cohorts=[torn])
    assert recipe(cohorts=[torn]).cohorts[0].resplits
    files = {"name": "mine", "source": "folder", "label": "dx"}
    assert recipe(cohorts=[files]).cohorts[0].seeds_for(5) == (0, 0)


@pytest.mark.parametrize(
    "methods",
    [[{"name": "erm", "label": "ERM"}, "group_model"], [{"name": "group_model", "label": "erm"}]],
)
def test_only_plain_erm_is_labelled_erm(recipe: Make, methods: list[Any]) -> None:
    with pytest.raises(SettingsError, match="plain ERM, and nothing else, is labelled erm"):
        recipe(methods=methods)
    by_group = {"name": "erm", "label": "by_group", "hyperparameters": {"selection_by": "group"}}
    assert [m.title for m in recipe(methods=["erm", by_group]).methods] == ["erm", "by_group"]


def test_a_size_changes_every_cohort_it_fits_and_nothing_else(recipe: Make) -> None:
    cohorts = [{"name": "toy", "source": "toy"}, {"name": "mine", "source": "folder", "label": "dx"}]
    sized = recipe(cohorts=cohorts, sizes={"s": {"cohort": {"sample_limit": 9, "split_seed": 3}}}).at("s")
    assert [c.sample_limit for c in sized.cohorts] == [None, 9] and [c.split_seed for c in sized.cohorts] == [3, 3]
    with pytest.raises(SettingsError, match="changes 'sample_limt', which no cohort has"):
        recipe(cohorts=cohorts, sizes={"s": {"cohort": {"sample_limt": 9}}}).at("s")


def test_draws_are_seeded_and_the_declared_values_compete(recipe: Make) -> None:
    method = {"name": "multitask", "hyperparameters": {"strength": 0.5}, "search": {"strength": {"uniform": [0, 1]}}}
    one = recipe(methods=[method], draws=4, search={"lr": {"log_uniform": [1e-3, 1e-1]}})
    entry = one.methods[0]
    assert hyperparameters_of(one, entry, 0) == {"strength": 0.5} and drawn_of(one, entry, 0) == {}
    drawn = [drawn_of(one, entry, d) for d in range(1, 4)]
    assert drawn == [drawn_of(one, entry, d) for d in range(1, 4)]
    assert len({d["strength"] for d in drawn}) == 3 and all(1e-3 <= d["lr"] <= 1e-1 for d in drawn)
    assert one.training("linear", 0, drawn[0]).lr == drawn[0]["lr"]
    assert "lr" not in hyperparameters_of(one, entry, 1)
    # further draws change no earlier one; methods with nothing to draw are not searched
    assert drawn_of(one.but(draws=9), entry, 2) == drawn[1]
    assert recipe(draws=4).draws_of(recipe().methods[0]) == 1


@settings(max_examples=30)
@given(st.integers(1, 10_000), st.text(max_size=5))
def test_draws_stay_in_their_ranges(draw: int, name: str) -> None:
    ranges = {
        "a": Range(choice=["x", "y"]),
        "b": Range(uniform=[-1.0, 2.0]),
        "c": Range(log_uniform=[0.1, 10.0]),
        "d": Range(integer=[1, 3]),
    }
    values = draw_values(ranges, name, draw)
    assert values["a"] in ("x", "y") and -1 <= values["b"] <= 2 and values["d"] in (1, 2, 3)
    assert values["c"] * (1 + 1e-12) >= 0.1 and values["c"] <= 10 * (1 + 1e-12)
    assert not any(isinstance(v, np.generic) for v in values.values())


def test_one_attribute_of_several() -> None:
    recipe = choose_attributes(read_recipe("spare/main").at("cpu"), ["sex"])
    assert [(c.name, list(c.attributes)) for c in recipe.cohorts] == [("ham10000", ["sex"]), ("odir_5k", ["sex"])]
    with pytest.raises(SettingsError, match="attribute 'race'"):
        choose_attributes(recipe, ["race"])
