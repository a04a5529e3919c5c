"""The plan: how many jobs, in which order, with which ids and which counted cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from everygroup.benchmark.choices import choose_draws
from everygroup.benchmark.execute import run_job
from everygroup.benchmark.job_folder import JobFolder
from everygroup.benchmark.plan import make_plan
from everygroup.benchmark.probe import expected_seconds
from everygroup.benchmark.recipe import Recipe
from everygroup.benchmark.study import claim
from everygroup.errors import CohortError, OutputError, SettingsError
from everygroup.files import hash_json, read_json, write_json
from everygroup.settings import read_config

Make = Callable[..., Recipe]
SEARCH = {"name": "multitask", "search": {"strength": {"log_uniform": [0.001, 1]}}}


def test_jobs_are_the_product_of_what_is_compared(recipe: Make) -> None:
    cohort = {
        "name": "sim",
        "source": "sim",
        "n": 120,
        "image_size": 16,
        "attributes": {"tone": {"group": "tone"}, "age": {"group": "age", "bins": {"age": 55}}},
    }
    plan = make_plan(recipe(cohorts=[cohort, {**cohort, "name": "other"}], backbones=["small_cnn", "auto"]))
    assert len(plan.all) == 2 * 2 * 2 * 2 * 2  # cohorts, attributes, backbones, methods, seeds
    assert len({job.id for job in plan.all}) == len({job.folder for job in plan.all}) == 32
    assert {job.cell[:2] for job in plan.all} == {(c, a) for c in ("sim", "other") for a in ("tone", "age")}
    assert plan.facts["sim", "age"].groups == ("<=55", ">55")


def test_updates_and_passes_are_counted(recipe: Make) -> None:
    table = make_plan(recipe(methods=["spare", "erm", "group_model"])).table().set_index("method")
    assert list(table.index) == ["erm", "group_model", "spare"]  # those whose networks others use come first
    assert table["updates"].to_dict() == {"erm": 2 * 24, "group_model": 2 * 2 * 24, "spare": 2 * 5 * 24}
    assert (table["passes"] == table["updates"] * 24).all() and (table["updates_per_network"] == 24).all()
    shared = {"name": "spare", "label": "half", "hyperparameters": {"sharing": "half"}}
    assert make_plan(recipe(methods=[shared])).table()["updates"].tolist() == [2 * 4 * 24]  # G + 2 networks
    by_epochs = make_plan(recipe(settings={"epochs": 3, "batch_size": 24}))
    assert by_epochs.all[0].updates == 3 * 6  # 144 training samples


def test_two_stages(recipe: Make) -> None:
    plan = make_plan(recipe(methods=["erm", SEARCH], draws=3, search_seeds=[9]))
    assert [job.draw for job in plan.searching] == [0, 1, 2] and {job.seed for job in plan.searching} == {9}
    assert {job.method for job in plan.final} == {"erm"} and len(plan.awaited) == 2
    cell = plan.searching[0].cell
    chosen = plan.chosen({cell: 2})
    assert [job.seed for job in chosen] == [0, 1]
    assert chosen[0].hyperparameters == plan.searching[2].hyperparameters
    assert {job.id for job in chosen}.isdisjoint({job.id for job in plan.searching})
    assert plan.table()["search_runs"].sum() == 3 and plan.table()["runs"].sum() == 4


def test_a_choice_that_was_made_stays(recipe: Make, tmp_path: Path) -> None:
    plan = make_plan(recipe(methods=[SEARCH], draws=2))
    (tmp_path / "choices").mkdir()
    name = f"{'-'.join(plan.searching[0].cell)}-{hash_json(list(plan.searching[0].cell))[:6]}.json"
    write_json(tmp_path / "choices" / name, {"chosen": 1})
    assert choose_draws(plan.searching, tmp_path, "score") == {plan.searching[0].cell: 1}
    write_json(tmp_path / "choices" / name, {"chosen": None})  # all had failed: nothing is chosen, and looked at again
    for job in plan.searching:
        for _ in range(2):
            JobFolder(job, tmp_path).fail(RuntimeError("no luck"))
    assert choose_draws(plan.searching, tmp_path, "score") == {}


def test_no_choice_while_a_draw_may_still_finish(recipe: Make, tmp_path: Path) -> None:
    plan = make_plan(recipe(methods=[SEARCH], draws=2))
    first, second = plan.searching
    assert run_job(first, tmp_path).state == "finished"
    assert choose_draws(plan.searching, tmp_path, "score") == {}, "the second was not run"
    JobFolder(second, tmp_path).fail(RuntimeError("out of memory"))
    assert choose_draws(plan.searching, tmp_path, "score") == {}, "it failed once and is tried again"
    assert not list(tmp_path.glob("choices/*"))
    JobFolder(second, tmp_path).fail(RuntimeError("out of memory"))
    assert choose_draws(plan.searching, tmp_path, "score") == {first.cell: 0}
    (record,) = (read_json(path) for path in tmp_path.glob("choices/*"))
    assert [draw["values"] is None for draw in record["draws"]] == [False, True]


def test_failures_are_counted(recipe: Make, tmp_path: Path) -> None:
    (job,) = make_plan(recipe(methods=["fair_adabn"], seeds=[0])).all  # needs batch norm, which a linear model lacks
    for attempt in (1, 2):
        assert run_job(job, tmp_path).state == "failed" and JobFolder(job, tmp_path).failures == attempt


def test_a_cohort_that_moved_stands_once_in_the_folder(recipe: Make, tmp_path: Path) -> None:
    def at(folder: str) -> Recipe:
        entry = {"name": "toy", "source": folder, "label": "y", "attributes": {"own": {"group": "g"}}}
        return recipe(cohorts=[entry], methods=["erm", {"name": "group_model", "label": "toy"}])

    for folder in ("/a", "/b"):
        claim(tmp_path / "out", at(folder))
    kept = read_config(tmp_path / "out" / "recipe.yaml")
    assert [c["source"] for c in kept["cohorts"]] == ["/b"]
    assert len(kept["methods"]) == 2


def test_ids_are_hashes_of_what_results_depend_on(recipe: Make) -> None:
    def ids(**changes: object) -> list[str]:
        return [job.id for job in make_plan(recipe(methods=["erm"], **changes)).all]

    base = ids()
    assert base == ids() == ids(title="other words")
    assert base[:1] == ids(seeds=[0])
    for changes in (
        {"settings": {"updates": 25, "batch_size": 24, "lr": 0.03, "augment": "none", "optimiser": "adamw"}},
        {"cohorts": [{"name": "toy", "source": "toy", "n": 242, "options": {"theta": 0.5}}]},
        {"cohorts": [{"name": "toy", "source": "toy", "n": 240, "options": {"theta": 0.6}}]},
        {"backbones": "mlp"},
    ):
        assert set(base).isdisjoint(ids(**changes))
    on_gpu = {"updates": 24, "batch_size": 24, "lr": 0.03, "augment": "none", "device": "cuda", "optimiser": "adamw"}
    assert base == ids(settings=on_gpu)  # the device is no part of the protocol


def test_a_draw_of_the_same_values_is_the_same_job(recipe: Make) -> None:
    plain = make_plan(recipe(methods=["multitask"])).all[0]
    labelled = make_plan(recipe(methods=[{"name": "multitask", "label": "mtl"}])).all[0]
    assert plain.id == labelled.id and plain.folder != labelled.folder


def test_cohorts_that_cannot_be_used(recipe: Make) -> None:
    with pytest.raises(CohortError, match="--cohort mine=FOLDER"):
        make_plan(recipe(cohorts=[{"name": "mine", "source": "no/such/folder", "label": "dx"}]))
    with pytest.raises(SettingsError, match="correct the recipe's options"):
        make_plan(recipe(cohorts=[{"name": "toy", "source": "toy", "options": {"thetta": 1}}]))
    with pytest.raises(SettingsError, match="takes vectors"):
        make_plan(recipe(cohorts=[{"name": "sim", "source": "sim", "n": 60, "image_size": 16}]))


def test_expected_time_grows_with_the_plan(recipe: Make) -> None:
    low, high = expected_seconds(make_plan(recipe(methods=["erm", "group_model", "spare"])))
    assert 0 < low < high  # SPARE's first networks are the group models
    more = expected_seconds(make_plan(recipe(methods=["erm", "group_model", "spare"], seeds=list(range(40)))))
    assert more[0] > low


def test_equal_draws_of_a_choice_run_once(recipe: Make) -> None:
    twins = {"name": "multitask", "search": {"strength": {"choice": [0.01, 0.1]}}}  # 0.01 is the default too
    plan = make_plan(recipe(methods=["erm", twins], draws=9, search_seeds=[9]))
    assert len(plan.searching) == len({job.id for job in plan.searching}) == 2


def test_attributes_of_a_cohort_may_be_added_and_not_changed(recipe: Make, tmp_path: Path) -> None:
    def by(**attributes: object) -> Recipe:
        return recipe(cohorts=[{"name": "sim", "source": "sim", "n": 120, "attributes": attributes}])

    age = {"group": "age", "bins": {"age": 55}}
    claim(tmp_path / "out", by(tone={"group": "tone"}))
    claim(tmp_path / "out", by(age=age))
    assert list(read_config(tmp_path / "out" / "recipe.yaml")["cohorts"][0]["attributes"]) == ["tone", "age"]
    with pytest.raises(OutputError, match=r"another protocol \(sim, attributes;"):
        claim(tmp_path / "out", by(age={"group": "age", "bins": {"age": 60}}))


def test_what_differs_is_named(recipe: Make, tmp_path: Path) -> None:
    claim(tmp_path / "out", recipe())
    with pytest.raises(OutputError, match="preset: standard there, quick now; updates: 24 there, 40 now"):
        claim(tmp_path / "out", recipe(settings={**recipe().settings, "updates": 40}, preset="quick"))


def test_cohorts_with_one_name_for_their_label_are_two(recipe: Make, tmp_path: Path) -> None:
    def of(name: str, folder: str) -> Recipe:
        return recipe(cohorts=[{"name": name, "source": folder, "label": "dx", "attributes": {"a": {"group": "g"}}}])

    claim(tmp_path / "out", of("one", "here"))
    claim(tmp_path / "out", of("other", "there"))
    assert [c["name"] for c in read_config(tmp_path / "out" / "recipe.yaml")["cohorts"]] == ["one", "other"]
