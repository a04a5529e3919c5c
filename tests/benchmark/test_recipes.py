"""Every shipped recipe can be read, planned at every size, and asks only for what exists."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import everygroup.networks
from everygroup.benchmark.cohorts import Facts, attributes_of, open_split
from everygroup.benchmark.plan import Plan, make_plan
from everygroup.benchmark.published import read_published
from everygroup.benchmark.recipe import CohortEntry, Recipe, list_recipes, read_recipe
from everygroup.methods import Lab, create_method, list_methods
from everygroup.methods.chain import parse

RECIPES = [name for name in list_recipes() if name.startswith("spare/")]
SIZES = ("small", "cpu", "paper")


def facts(entry: CohortEntry, attribute: str, seed: int) -> Facts:
    """What a cohort would be, without reading or painting it."""
    n, side = entry.n or 5000, entry.image_size or 128
    groups = ("a", "b") if attribute != "skin_type" else tuple("123456")
    return Facts(
        n,
        6 * n // 10,
        n // 5,
        groups,
        ("no", "yes"),
        (side, side, 3),
        "hash",
        {"name": "classes", "outputs": ["no", "yes"]},
    )


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Any:
    built = cache(everygroup.networks.build_network)
    monkeypatch.setattr("everygroup.benchmark.plan.facts_of", facts)
    monkeypatch.setattr("everygroup.networks.build_network", built)

    def plan(recipe: Recipe) -> Plan:
        return make_plan(recipe)

    return plan


def test_the_papers_tables_and_figures_have_a_recipe() -> None:
    named = ("main", "vgg11", "alpha", "weighting", "ablation", "sharing", "weights", "training-subsets")
    assert {f"spare/{name}" for name in named} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_recipe_is_planned_at_every_size(name: str, size: str, planned: Any) -> None:
    recipe = read_recipe(name)
    assert next(iter(recipe.sizes)) == "small" and "erm" in [m.title for m in recipe.methods], (
        "ERM is what all is against"
    )
    assert recipe.question and "Xu et al." in recipe.paper and recipe.cohorts[0].name == "sim"
    sized = recipe.at(size)
    plan = planned(sized)
    settings = len(sized.methods) * len(sized.seeds) * sum(len(attributes_of(c)) for c in sized.cohorts)
    assert len(plan.all) == settings * len(sized.backbones) and len({job.id for job in plan.all}) == len(plan.all)
    if size == "paper":
        one = plan.all[0].settings
        assert (one.epochs, one.batch_size, one.optimiser, one.lr) == (200, 128, "sgd", 1e-4)
        assert all(c.image_size == 128 for c in sized.cohorts) and set(sized.backbones) <= {"resnet18", "vgg11"}


@pytest.mark.parametrize("name", RECIPES)
def test_methods_of_a_recipe_fit_the_simulated_cohort(name: str) -> None:
    recipe = read_recipe(name).at("small")
    entry = recipe.cohorts[0].model_copy(update={"n": 700, "image_size": 16})
    for attribute in attributes_of(entry):
        cohort, split = open_split(entry, attribute, 0)
        assert len(cohort.groups) >= 2
        for method in recipe.methods:
            create_method(method.name, method.hyperparameters).check(Lab(split.train, split.validation))


def test_the_zoo_has_every_method_there_is() -> None:
    named = {name for m in read_recipe("zoo").methods for name, _ in parse(m.name)}
    # what is for vectors, for studies, or many networks at once; fine-tuned networks are in embeddings/finetuned
    elsewhere = {"combat", "conditional_vae", "pca"}
    elsewhere |= {"partial_pooling", "few_samples", "subset_erm", "auto", "density_ratio", "distilled"}
    assert named == set(list_methods()) - elsewhere - {"specialise"}


def test_labels_meet_the_published_rows() -> None:
    published = read_published()
    for name, number in (("main", 1), ("vgg11", 3), ("weighting", 4), ("ablation", 5), ("sharing", 6)):
        labels = {m.title for m in read_recipe(f"spare/{name}").methods}
        rows = set(published.loc[published["table"] == number, "method"])
        # Table 3 has FairAdaBN on a VGG-11 with batch norm; plain VGG-11 has none for it to adapt
        assert rows - labels <= ({"spare"} if name == "sharing" else {"fair_adabn"} if name == "vgg11" else set()), name


def test_the_shuffled_control_differs_from_spare_in_nothing_else() -> None:
    methods = {m.title: m for m in read_recipe("spare/ablation").methods}
    assert methods["shuffled"].name == "spare" and methods["shuffled"].hyperparameters == {"shuffle": True}
    assert methods["spare"].hyperparameters == {}
