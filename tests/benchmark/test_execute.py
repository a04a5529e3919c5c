"""Jobs: restarted they redo nothing, killed they end the same, failed they stop nobody; choices see no test label."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from everygroup.benchmark import execute
from everygroup.benchmark.cohorts import open_split
from everygroup.benchmark.cost import measured, peak_memory
from everygroup.benchmark.execute import run_job
from everygroup.benchmark.job_folder import JobFolder
from everygroup.benchmark.plan import make_plan
from everygroup.benchmark.rankings import cost_multiples
from everygroup.benchmark.recipe import Recipe
from everygroup.benchmark.results import any_result
from everygroup.benchmark.shared_store import SharedStore
from everygroup.benchmark.study import run_study
from everygroup.cohort import Cohort, Split
from everygroup.errors import OutputError
from everygroup.files import read_json
from everygroup.settings import read_config

Make = Callable[..., Recipe]
Read = Callable[[Path], dict[str, bytes]]
Start = Callable[..., subprocess.Popen[str]]
SEARCH = {"name": "group_dro", "search": {"step_size": {"log_uniform": [0.001, 1]}}}


@pytest.fixture(scope="module")
def finished(recipe: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    study = run_study(recipe(), out)
    assert (study.finished, study.there, study.failed) == (4, 0, {})
    return out


def test_every_job_explains_itself(finished: Path) -> None:
    folders = sorted((finished / "jobs").iterdir())
    assert len(folders) == 4
    for folder in folders:
        held = {p.name for p in folder.iterdir()}
        assert held >= {
            *("config.yaml", "log.csv", "predictions.csv", "metrics.csv", "gaps.csv", "cost.json", "environment.json"),
            "done",
        }
        config, cost = read_config(folder / "config.yaml"), read_json(folder / "cost.json")
        assert config["stage"] == "final" and config["hyperparameters"] is not None and config["everygroup"]
        assert folder.name.endswith(config["id"][:10])
        assert set(pd.read_csv(folder / "predictions.csv")["split"]) == {"validation", "test"}
        assert cost["peak_memory_mb"] > 1 and cost["wall_seconds"] > 0 and cost["parameters_answering"] > 0
        rows = pd.read_csv(folder / "metrics.csv")
        assert set(rows["group"]) == {"overall", "in", "out"} and (rows["n"] > 0).all()
        n = rows[rows["metric"] == "auc"].pivot_table(index="part", columns="group", values="n")
        assert (n["in"] + n["out"] == n["overall"]).all()
        assert read_json(folder / "environment.json")["packages"]["torch"]
    assert read_config(finished / "recipe.yaml")["title"] == "tiny"


def test_restarted_nothing_is_done_again(finished: Path, recipe: Make) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.glob("jobs/*/*")}
    study = run_study(recipe(), finished)
    assert (study.finished, study.there) == (0, 4)
    assert before == {p: p.stat().st_mtime_ns for p in finished.glob("jobs/*/*")}
    assert run_job(make_plan(recipe()).all[0], finished).state == "there"


def test_methods_and_seeds_may_be_added_but_no_setting_changed(recipe: Make, tmp_path: Path, read: Read) -> None:
    run_study(recipe(methods=["erm"], seeds=[0]), tmp_path)
    first = read(tmp_path)
    study = run_study(recipe(methods=["group_model"]), tmp_path)
    assert (study.finished, study.there) == (2, 0) and first.items() <= read(tmp_path).items()
    kept = read_config(tmp_path / "recipe.yaml")
    assert [m["name"] for m in kept["methods"]] == ["erm", "group_model"] and kept["seeds"] == [0, 1]
    elsewhere = {k: v for k, v in recipe().settings.items() if k != "device"}  # another device is the same protocol
    assert run_study(recipe(methods=["group_model"], settings=elsewhere), tmp_path).there == 2
    with pytest.raises(OutputError, match=r"updates: 24 there, 9 now.*see its recipe"):
        run_study(recipe(settings={"updates": 9}), tmp_path)
    with pytest.raises(OutputError, match=r"group_model, hyperparameters: \{\} there"):
        run_study(recipe(methods=[{"name": "group_model", "hyperparameters": {"small_groups": "erm"}}]), tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="something else"):
        run_study(recipe(), tmp_path / "other")


def test_killed_and_restarted_it_ends_the_same(recipe: Make, tmp_path: Path, start: Start, read: Read) -> None:
    longer = recipe(settings={"updates": 150, "batch_size": 8, "lr": 0.03, "augment": "none", "device": "cpu"})
    killed, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    process = start(longer, killed, "erm,group_model")
    deadline = time.monotonic() + 240
    while not list(killed.glob("jobs/*/done")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    done = {p.parent: p.stat().st_mtime_ns for p in killed.glob("jobs/*/done")}
    assert process.returncode == -signal.SIGKILL, errors
    assert 1 <= len(done) < 4, "it was killed in mid-run"
    files = [p for folder in done for p in folder.iterdir() if p.name != "running.json"]  # killed before it was removed
    untouched = {p: p.stat().st_mtime_ns for p in files}

    study = run_study(longer, killed)
    assert (study.there, study.finished, study.failed) == (len(done), 4 - len(done), {})
    assert untouched == {p: p.stat().st_mtime_ns for p in untouched}
    run_study(longer, unbroken)
    assert read(killed) == read(unbroken) and len(read(killed)) == 12
    assert not list(killed.glob("jobs/*/running.json"))


def test_a_failed_job_is_recorded_and_the_rest_goes_on(recipe: Make, tmp_path: Path) -> None:
    broken = recipe(methods=["erm", "fair_adabn", "group_model"], seeds=[0])  # a linear network has no batch norm
    study = run_study(broken, tmp_path)
    assert study.finished == 2 and len(study.failed) == 1
    assert "fair_adabn on toy" in next(iter(study.failed)) and "failed.json" in next(iter(study.failed.values()))
    (path,) = tmp_path.glob("jobs/*/failed.json")
    record = read_json(path)
    assert record["error"] == "SettingsError" and "batch norm" in record["message"] and record["fix"]
    assert "Traceback" in record["traceback"] and not (path.parent / "done").exists()
    again = run_study(broken, tmp_path)  # tried again
    assert (again.finished, again.there, len(again.failed)) == (0, 2, 1)


def test_an_unforeseen_error_is_recorded_too(recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    job = make_plan(recipe()).all[0]
    with monkeypatch.context() as patch:
        patch.setattr(execute, "create_method", broken)
        outcome = run_job(job, tmp_path)
    assert (outcome.state, outcome.message) == ("failed", "ZeroDivisionError")
    assert run_job(job, tmp_path).state == "finished" and JobFolder(job, tmp_path).done
    assert JobFolder(job, tmp_path).failure is None


def test_every_method_makes_the_same_updates(recipe: Make, tmp_path: Path) -> None:
    methods = ["erm", "stratified_erm", "group_model", "domain_independent", "multitask", "resampling"]
    spare = {"name": "spare", "hyperparameters": {"min_group": 10}}
    study = run_study(recipe(methods=[*methods, "group_dro", spare], seeds=[0]), tmp_path)
    assert not study.failed
    costs = {read_config(p.parent / "config.yaml")["method"]: read_json(p) for p in tmp_path.glob("jobs/*/cost.json")}
    each = {method: [n["updates"] for n in cost["networks"]] for method, cost in costs.items()}
    assert sum(each.pop("stratified_erm")) in (24, 25), "its networks together make as many updates as ERM's one"
    assert {n for updates in each.values() for n in updates} == {24}
    assert {cost["planned_updates_per_network"] for cost in costs.values()} == {24}
    trained = {method: cost["networks_trained"] for method, cost in costs.items()}
    assert trained == dict.fromkeys([*methods, "group_dro"], 1) | {"stratified_erm": 2, "group_model": 2, "spare": 5}
    methods.remove("stratified_erm")  # counted by epochs, where its networks together make as many updates as ERM's
    planned = {job.method: job.updates for job in make_plan(recipe(methods=[*methods, spare], seeds=[0])).all}
    assert all(costs[method]["updates"] == updates for method, updates in planned.items())
    # SPARE found the group models there; what it would cost alone is counted all the same
    assert [n["reused"] for n in costs["spare"]["networks"]] == [True, True, False, False, False]
    assert len(costs["spare"]["searches"]) == 4 and not costs["erm"]["searches"]
    assert costs["spare"]["distance_gradient_passes"] == 0, "distances of a linear model have a closed form"


def _poisoned(cohort: Cohort, split: Split) -> tuple[Cohort, Split]:
    """Give every test sample the next class."""
    test = (split.table["part"] == "test").to_numpy()
    y = np.where(test, (cohort.y + 1) % len(cohort.classes), cohort.y)
    changed = Cohort(
        cohort.images,
        cohort.table,
        label=cohort.label,
        y=y,
        classes=cohort.classes,
        rule=cohort.rule,
        group=cohort.group,
        groups=cohort.groups,
        ids=cohort.ids,
        units=cohort.units,
    )
    parts = [changed.where((split.table["part"] == p).to_numpy()) for p in ("train", "validation", "test")]
    return changed, Split(*parts, table=split.table, hash=split.hash)


def test_draws_are_chosen_on_validation_only(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Read
) -> None:
    searching = recipe(
        methods=["erm", SEARCH], draws=3, seeds=[0], search={"lr": {"log_uniform": [0.0003, 0.1]}}, search_seeds=[7, 8]
    )
    clean, poisoned = tmp_path / "clean", tmp_path / "poisoned"
    study = run_study(searching, clean)
    assert not study.failed and study.finished == 2 * 3 * 2 + 2  # both draw the learning rate
    with monkeypatch.context() as patch:
        patch.setattr(execute, "open_split", lambda *a: _poisoned(*open_split(*a)))
        run_study(searching, poisoned)
    choices = sorted((clean / "choices").iterdir())
    assert len(choices) == 2
    for path in choices:
        assert read_json(path) == read_json(poisoned / "choices" / path.name)
        record = read_json(path)
        values = [d["values"][0] for d in record["draws"]]
        assert record["chosen"] == int(np.argmax(values)) and len(set(values)) > 1 and record["seeds"] == [7, 8]
    for folder in sorted((clean / "jobs").iterdir()):
        config = read_config(folder / "config.yaml")
        ours, theirs = (pd.read_csv(f / "predictions.csv") for f in (folder, poisoned / "jobs" / folder.name))
        pd.testing.assert_frame_equal(ours.drop(columns="y_true"), theirs.drop(columns="y_true"))
        if config["stage"] == "search":
            assert set(ours["split"]) == {"validation"} and ours.equals(theirs)
        else:  # the poison was there, and would have shown
            assert (ours["y_true"] != theirs["y_true"])[ours["split"] == "test"].all()
            chosen = next(read_json(p) for p in choices if read_json(p)["method"] == config["label"])
            assert config["draw"] == chosen["chosen"] and config["seed"] == 0
    assert run_study(searching, clean).there == 14


def test_a_method_all_of_whose_draws_failed_has_no_results(recipe: Make, tmp_path: Path) -> None:
    doomed = {"name": "fair_adabn", "search": {"alpha": {"uniform": [0, 1]}}}
    searching = recipe(methods=["erm", doomed], draws=2, seeds=[0])
    for _ in range(2):  # what failed is tried again once
        study = run_study(searching, tmp_path)
        assert study.finished + study.there == 1 and len(study.failed) == 3
        assert study.failed["toy / own / linear / fair_adabn"].startswith("no draw is chosen")
    (record,) = (read_json(path) for path in tmp_path.glob("choices/*fair_adabn*"))
    assert record["chosen"] is None


def test_two_processes_train_a_shared_network_once(recipe: Make, tmp_path: Path, start: Start) -> None:
    longer = recipe(
        methods=["group_model", {"name": "spare", "hyperparameters": {"min_group": 10}}],
        seeds=[0],
        settings={
            "updates": 150,
            "batch_size": 8,
            "lr": 0.03,
            "augment": "none",
            "device": "cpu",
            "optimiser": "adamw",
        },
    )
    processes = [start(longer, tmp_path / "out", method) for method in ("group_model", "spare")]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    used = [n for p in (tmp_path / "out").glob("jobs/*/cost.json") for n in read_json(p)["networks"]]
    made = list((tmp_path / "out" / "store" / "networks").iterdir())
    assert len(used) == 7 and len(made) == 5
    by_key = pd.DataFrame(used).groupby("key")["reused"].agg(["size", "sum"])
    assert sorted(by_key["size"]) == [1, 1, 1, 2, 2]
    assert (by_key["size"] - by_key["sum"] == 1).all(), "each was trained exactly once"


def test_a_kept_split_of_other_samples_is_refused(recipe: Make, tmp_path: Path) -> None:
    entry = recipe().cohorts[0]
    _, split = open_split(entry, "own", 3, tmp_path)
    (path,) = tmp_path.iterdir()
    _, again = open_split(entry, "own", 3, tmp_path)
    assert again.hash == split.hash
    from everygroup.benchmark import cohorts

    cohorts._split.cache_clear()
    assert open_split(entry, "own", 3, tmp_path)[1].hash == split.hash  # read back
    cohorts._split.cache_clear()
    path.write_text(path.read_text().replace("train-0,", "train-x,"))
    with pytest.raises(OutputError, match="other samples"):
        open_split(entry, "own", 3, tmp_path)


def test_peak_memory_is_of_the_block_where_the_system_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    with measured("cpu") as before:
        pass
    with measured("cpu") as during:
        large = np.ones(2**24)  # 128 MB
    assert large.sum() == 2**24 and during["peak_gpu_memory_mb"] is None
    assert during["peak_memory_mb"] - before["peak_memory_mb"] > 100
    del large

    def unreadable(*_: object, **__: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert peak_memory() > 2**20


def test_benchmarks_share_a_store(recipe: Make, tmp_path: Path) -> None:
    store = tmp_path / "networks"
    first = run_study(recipe(methods=["erm"], seeds=[0]), tmp_path / "first", store=store)
    trained = {p.name for p in (store / "networks").iterdir()}
    second = run_study(recipe(methods=["erm", "group_model"], seeds=[0]), tmp_path / "second", store=store)
    assert (first.finished, second.finished) == (1, 2) and trained < {p.name for p in (store / "networks").iterdir()}
    costs = [read_json(p) for p in (tmp_path / "second" / "jobs").glob("*-erm-*/cost.json")]
    assert [c["networks"][0]["reused"] for c in costs] == [True]
    with pytest.raises(OutputError, match="in use already"):
        run_study(recipe(methods=["erm"], seeds=[0]), tmp_path / "first", store=tmp_path / "other")


def test_waiting_for_another_process_is_not_counted_twice(tmp_path: Path) -> None:
    store = SharedStore(tmp_path)
    (tmp_path / "locks").mkdir()
    held = threading.Event()

    def hold() -> None:
        with FileLock(tmp_path / "locks" / "k.lock"):
            held.set()
            time.sleep(0.4)

    threading.Thread(target=hold).start()
    assert held.wait(30)
    with store._alone("k"):
        waited = store.waited
    assert 0.2 < waited < 5
    costs = pd.DataFrame(
        {
            **{"cohort": ["c"] * 2, "attribute": "a", "backbone": "b", "method": ["erm", "m"], "stage": "final"},
            **{"passes": 1, "updates": 1, "distance_gradient_passes": 0, "distance_forward_passes": 0},
            **{"wall_seconds": [3.0, 3.5], "seconds_alone_reused": [0.0, 3.0], "seconds_waited": [0.0, 2.5]},
            **{"networks_trained": 1, "peak_memory_mb": 1.0, "parameters_answering": 1},
        }
    )
    found = cost_multiples(costs, {"erm": "erm", "m": "m"}).set_index("method")
    assert found["seconds_alone"].tolist() == [3.0, 4.0]  # 1 s of its own and the network's 3


def test_a_benchmark_of_which_only_draws_finished_says_so(recipe: Make, tmp_path: Path) -> None:
    assert not any_result(tmp_path)
    (first, *_) = make_plan(recipe(methods=[SEARCH], draws=2)).searching
    run_job(first, tmp_path)
    assert not any_result(tmp_path)
