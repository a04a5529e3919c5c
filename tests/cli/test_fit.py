"""`fit`, `predict`, `demo`, `list` and `describe` from the user's side."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

Run = Callable[..., tuple[int, str]]
RUN_FILES = {
    "audit.json",
    "cells.csv",
    "comparison.csv",
    "config.yaml",
    "criteria.csv",
    "curves.csv",
    "differences.csv",
    "done",
    "environment.json",
    "log.csv",
    "model",
    "model-card.md",
    "predictions-erm.csv",
    "predictions.csv",
    "progress.png",
    "brief.html",
    "report.html",
    "sources.csv",
    "split.csv",
    "store",
    "summary.csv",
    "weights.csv",
}


@pytest.fixture(scope="module")
def finished(pristine_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished SPARE run."""
    from everygroup.cli.main import app

    out = tmp_path_factory.mktemp("runs") / "spare"
    options = "--label label --group age --bins age=55 --split-by patient_id --image-size 10 --epochs 6 --batch-size 16"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVERYGROUP_CACHE", str(out.parent / "cache"))
        arguments = [
            "fit",
            str(pristine_folder),
            "-o",
            str(out),
            *options.split(),
            "--n-boot",
            "50",
            "--set",
            "min_group=10",
        ]
        assert app(arguments, standalone_mode=False) in (None, 0)
    return out


def test_run_folder_explains_itself(finished: Path) -> None:
    assert {p.name for p in finished.iterdir()} == RUN_FILES
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert (config["method"], config["bins"], config["hyperparameters"]) == ("spare", {"age": "55"}, {"min_group": 10})
    assert (config["epochs"], config["seed"], config["backbone"]) == (6, 0, "auto")
    split = pd.read_csv(finished / "split.csv")
    assert set(split["part"]) == {"train", "validation", "test"}
    assert len(split[["unit", "part"]].drop_duplicates()) == split["unit"].nunique()
    summary = pd.read_csv(finished / "summary.csv")
    assert {"method", "seed", "attribute", "group", "metric", "value", "low", "high", "n", "note"} <= set(
        summary.columns
    )
    assert set(summary["method"]) == {"erm", "spare"}
    log = pd.read_csv(finished / "log.csv")
    assert set(log["model"]) == {
        "erm",
        "group_model[<=55]",
        "group_model[>55]",
        "group_predictor",
        "spare[<=55]",
        "spare[>55]",
    }
    assert (log.groupby("model")["selected"].sum() == 1).all()
    weights = pd.read_csv(finished / "weights.csv")
    assert weights["weight"].between(0, 1, inclusive="right").all()
    assert json.loads((finished / "environment.json").read_text())["packages"]["torch"]
    assert "http-equiv" in (finished / "report.html").read_text()


def test_a_forgotten_unit_is_refused_and_a_short_training_is_said_first(
    folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path
) -> None:
    at = fit_options.index("--split-by")
    options = [*fit_options[:at], *fit_options[at + 2 :], "--method", "erm"]
    code, output = everygroup("fit", folder, "-o", tmp_path / "run", *options)
    output = " ".join(output.split())
    assert code == 2 and "'patient_id' looks like the patient (" in output and "give --split-by patient_id;" in output
    assert not (tmp_path / "run").exists()
    code, output = everygroup("fit", folder, "-o", tmp_path / "run", *options, "--split-by", "none")
    assert code == 0 and "the chosen epoch is the last one (erm)" in output
    page = (tmp_path / "run" / "report.html").read_text()
    assert "looks like the patient" not in page and "trained too briefly" in page[page.index("To heed") :]


def test_predictions_are_of_unseen_samples(finished: Path) -> None:
    split = pd.read_csv(finished / "split.csv").set_index("id")["part"]
    predictions = pd.read_csv(finished / "predictions.csv")
    assert set(predictions["split"]) == {"validation", "test"}
    assert (split[predictions["id"]].to_numpy() == predictions["split"].to_numpy()).all()
    assert predictions["route"].str.startswith("recorded: ").all()
    assert (predictions["y_true"] == predictions["y_pred"]).mean() > 0.8


def test_the_positive_class_is_told_by_its_name_or_by_the_user(
    finished: Path, folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path
) -> None:
    def positive(run: Path) -> str:
        return str(json.loads((run / "audit.json").read_text())["settings"]["positive"])

    assert positive(finished) == "ill"  # of ill and well, which is the second
    options = [*fit_options, "--method", "erm", "--positive"]
    code, output = everygroup("fit", folder, "-o", tmp_path / "run", *options, "well")
    assert code == 0 and positive(tmp_path / "run") == "well", output
    code, output = everygroup("fit", folder, "-o", tmp_path / "other", *options, "wel")
    assert code == 2 and "the classes are: ill, well" in output and not (tmp_path / "other").exists(), output


def test_predict_with_table_without_label_and_without_table(
    finished: Path, folder: Path, everygroup: Run, change: Callable[..., None], tmp_path: Path
) -> None:
    code, output = everygroup("predict", finished, folder, "--out", tmp_path / "all.csv")
    assert code == 0, output
    whole = pd.read_csv(tmp_path / "all.csv").set_index("id")
    known = pd.read_csv(finished / "predictions.csv").set_index("id")
    pd.testing.assert_frame_equal(
        whole.loc[known.index, ["y_pred", "score_ill", "route"]],
        known[["y_pred", "score_ill", "route"]],
        check_exact=True,
    )

    change(lambda table: table.drop(columns="label").assign(age=[None, 90, *table["age"][2:]]))
    code, output = everygroup("predict", finished, folder, "--out", tmp_path / "blind.csv")
    assert code == 0, output
    blind = pd.read_csv(tmp_path / "blind.csv").set_index("id")
    assert blind["y_true"].isna().all()
    assert blind.loc["p000", "route"].startswith("predicted: ")
    assert blind.loc["p001", "route"] == "recorded: >55"
    assert blind.loc["p001", ["age", "group"]].tolist() == [90, ">55"]  # the age itself, and the group of training

    code, output = everygroup(
        "predict", finished, folder / "images", "--out", tmp_path / "bare.csv", "--routing", "soft"
    )
    assert code == 0, output
    assert set(pd.read_csv(tmp_path / "bare.csv")["route"]) == {"soft"}


def test_predict_says_what_it_lacks(
    finished: Path, folder: Path, everygroup: Run, change: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_text("method: erm\n")
    code, output = everygroup("predict", tmp_path / "half", folder)
    assert code == 2 and "unfinished run" in output and "--resume" in output
    change(lambda table: table.assign(age=["old", *table["age"][1:].astype(str)]))
    code, output = everygroup("predict", finished, folder, "--out", tmp_path / "p.csv")
    assert code == 2 and "'old'" in output and "leave it empty" in output and "--bins" not in output, output


def test_predict_tells_of_groups_unknown_at_training(
    pristine_folder: Path, folder: Path, everygroup: Run, change: Callable[..., None], tmp_path: Path
) -> None:
    options = "--label label --group sex --split-by patient_id --image-size 10 --epochs 1 --batch-size 16 --n-boot 10"
    fit = ["fit", pristine_folder, "-o", tmp_path / "run", *options.split(), "--method", "group_model"]
    fit += ["--compare", "none"]
    code, output = everygroup(*fit)
    assert code == 0, output
    predict = ["predict", tmp_path / "run", folder, "--out", tmp_path / "p.csv"]
    assert "unknown at training" not in everygroup(*predict)[1]

    change(lambda table: table.assign(sex=["x", "y", None, *table["sex"][3:]]))
    code, output = everygroup(*predict)
    assert code == 0, output
    assert output.count("2 samples belong to groups unknown at training ('x', 'y'; known are 'f', 'm')") == 1, output
    table = pd.read_csv(tmp_path / "p.csv").set_index("id")
    assert table["group"].isna().sum() == 3
    assert (table["route"].iloc[:3] == "mean of groups").all()

    words = {"f": "Female", "m": "male"}
    change(
        lambda table: table.assign(
            sex=[words.get(str(v), v) for v in pd.read_csv(pristine_folder / "metadata.csv")["sex"]]
        )
    )
    code, output = everygroup(*predict)
    assert code == 2 and "looks like 'f', which the model knows" in output and "--map 'sex:male=m'" in output, output
    code, output = everygroup(*predict, "--map", "sex:Female=f", "--map", "sex:male=m")
    assert code == 0, output
    table = pd.read_csv(tmp_path / "p.csv").set_index("id")
    assert table["route"].str.startswith("recorded: ").all() and set(table["group"]) == {"f", "m"}

    change(lambda table: table.drop(columns="sex"))
    code, output = everygroup(*predict)
    assert code == 0, output
    assert "every sample counts as of unknown group" in output
    assert "unknown at training" not in output


def test_predict_takes_rows_with_a_blank_label(
    finished: Path, folder: Path, everygroup: Run, change: Callable[..., None], tmp_path: Path
) -> None:
    everygroup("predict", finished, folder, "--out", tmp_path / "all.csv")
    change(lambda table: table.assign(label=[None, "unknown", *table["label"][2:]]))
    code, output = everygroup("predict", finished, folder, "--out", tmp_path / "some.csv")
    assert code == 0, output
    assert "2 of 100 rows have no 'label'" in output
    whole, some = (pd.read_csv(tmp_path / name).set_index("id") for name in ("all.csv", "some.csv"))
    assert list(some.index[some["y_true"].isna()]) == ["p000", "p001"]
    pd.testing.assert_frame_equal(some.drop(columns="y_true"), whole.drop(columns="y_true"))
    assert (some["y_true"].iloc[2:] == whole["y_true"].iloc[2:]).all()

    code, output = everygroup("prepare", folder, "--out", tmp_path / "prepared", "--image-size", 10)
    assert code == 0, output
    code, output = everygroup("predict", finished, tmp_path / "prepared", "--out", tmp_path / "same.csv")
    assert code == 0, output
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "same.csv").set_index("id"), some)


def test_small_groups_reach_the_methods_compared(
    folder: Path, everygroup: Run, change: Callable[..., None], fit_options: list[str], tmp_path: Path
) -> None:
    def few_old(table: pd.DataFrame) -> pd.DataFrame:
        old = table.index[table["age"] > 55]
        return table.drop(index=old[12:])

    change(few_old)
    options = ["fit", folder, "-o", tmp_path / "run", *fit_options, "--compare", "group_model", "--compare", "erm"]
    code, output = everygroup(*options)
    assert (code, "--set small_groups=erm" in output) == (2, True), output
    code, output = everygroup(*options, "--set", "small_groups=erm", "--set", "min_group=5")
    assert code == 0, output
    routes = pd.read_csv(tmp_path / "run" / "predictions-group_model.csv").groupby("group")["route"].first()
    assert set(routes.index) == {"<=55", ">55"}
    assert (tmp_path / "run" / "predictions-erm.csv").exists()


def test_recorded_command_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    from everygroup.benchmark import environment

    arguments = ["everygroup", "fit", "my data", "--bins", "skin_type=light:1,2,3|dark:4,5,6"]
    monkeypatch.setattr("sys.argv", arguments)
    command = environment()["command"]
    assert shlex.split(command) == arguments
    assert "'skin_type=light:1,2,3|dark:4,5,6'" in command


def test_predict_refuses(
    finished: Path, folder: Path, everygroup: Run, change: Callable[..., None], tmp_path: Path
) -> None:
    code, output = everygroup("predict", tmp_path, folder)
    assert (code, "No trained model" in output) == (2, True)
    code, output = everygroup("predict", finished, folder, "--out", tmp_path)
    assert (code, "is a folder" in output) == (2, True)
    change(lambda table: table.assign(label=["odd", *table["label"][1:]]))
    code, output = everygroup("predict", finished, folder, "--out", tmp_path / "x.csv")
    assert (code, "unknown label 'odd'" in output) == (2, True), output
    assert not (tmp_path / "x.csv").exists()


def test_audit_of_a_run_against_its_baseline(finished: Path, everygroup: Run, tmp_path: Path) -> None:
    code, output = everygroup(
        "audit", finished, "--baseline", finished / "predictions-erm.csv", "--out", tmp_path / "a", "--n-boot", 30
    )
    assert code == 0, output
    assert (tmp_path / "a" / "audit.json").exists()
    assert (tmp_path / "a" / "report.html").exists()


def test_audit_of_the_validation_part_of_a_run(finished: Path, everygroup: Run, tmp_path: Path) -> None:
    code, output = everygroup("audit", finished, "--split", "validation", "--out", tmp_path / "v", "--n-boot", 30)
    assert code == 0, output
    part = pd.read_csv(finished / "split.csv")["part"]
    table = pd.read_csv(tmp_path / "v" / "summary.csv")
    assert (part == "validation").sum() == table.loc[table["group"] == "overall", "n"].max()


def test_config_file_and_flags(folder: Path, everygroup: Run, tmp_path: Path) -> None:
    config = {
        "label": "label",
        "group": "sex",  # one text is a list of one
        "split_by": "patient_id",
        "image_size": 10,
        "epochs": 3,
        "batch_size": 16,
        "preset": "quick",
        "hyperparameters": {"small_groups": "erm"},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    options = ["--config", tmp_path / "c.yaml", "--method", "group_model", "--compare", "none", "--n-boot", 20]
    code, output = everygroup("fit", folder, "-o", tmp_path / "run", *options, "--epochs", 1)
    assert code == 0, output
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (written["epochs"], written["lr"], written["group"]) == (1, 0.004, ["sex"])
    assert written["hyperparameters"] == {"small_groups": "erm"}
    assert not (tmp_path / "run" / "predictions-erm.csv").exists()
    (tmp_path / "c.yaml").write_text("epoch: 3")
    code, output = everygroup(
        "fit", folder, "-o", tmp_path / "other", "--group", "sex", "--config", tmp_path / "c.yaml"
    )
    assert (code, "did you mean 'epochs'" in output) == (2, True), output


def test_shared_store_trains_nothing_twice(
    folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path
) -> None:
    shared = ["--store", tmp_path / "store"]
    for method in ("erm", "group_model"):
        options = [*fit_options, *shared, "--method", method, "--compare", "none"]
        assert everygroup("fit", folder, "-o", tmp_path / method, *options)[0] == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "networks").rglob("*.safetensors")}
    assert len(before) == 3
    code, _ = everygroup(
        "fit", folder, "-o", tmp_path / "both", *fit_options, *shared, "--method", "group_model", "--compare", "erm"
    )
    assert code == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "networks").rglob("*.safetensors")} == before


@pytest.mark.slow
def test_demo(everygroup: Run, tmp_path: Path) -> None:
    code, output = everygroup("demo", "--out", tmp_path / "demo", "-n", 300, "--image-size", 16, "--epochs", 1)
    assert code == 0, output
    assert {"report.html", "predictions-group_model.csv", "done"} <= {p.name for p in (tmp_path / "demo").iterdir()}
    said = [line for line in output.splitlines() if "is right most often" in line]
    assert [line.split()[0] for line in said] == ["light", "dark"]
    assert "The audit of mixture:" in output


@pytest.mark.parametrize("kind", ["methods", "backbones", "metrics", "datasets", "settings", "selection", "presets"])
def test_list(kind: str, everygroup: Run) -> None:
    code, output = everygroup("list", kind)
    assert code == 0
    assert len(output.splitlines()) >= 2
    code, output = everygroup("list", kind, "--json")
    assert code == 0
    assert json.loads(output)


def test_list_and_describe_by_name(everygroup: Run) -> None:
    assert everygroup("list", "backbones", "resnet1*")[1].splitlines()[0] == "resnet10t"
    for name, words in (("spare", "alpha = 0.5"), ("macro_f1", "higher_is_better"), ("lr", "learning rate")):
        code, output = everygroup("describe", name)
        assert (code, words in output) == (0, True), output
        assert json.loads(everygroup("describe", name, "--json")[1])
    assert everygroup("describe", "sparee")[0] == 2
    code, output = everygroup("describe", "eopp1_lab")
    assert code == 0 and "variant = lab" in output and "partial" not in output, output
    assert "macro_recall" in everygroup("describe", "recall")[1]
    assert "spare (default 0.5)" in everygroup("describe", "alpha")[1]
    assert "None of the backbones is called like 'zzz'" in everygroup("list", "backbones", "zzz")[1]
    assert everygroup("list", "pictures")[0] == 2


def test_version_and_usage(everygroup: Run) -> None:
    from everygroup import __version__

    assert everygroup("--version") == (0, f"{__version__}\n")
    assert everygroup("fit")[0] == 2
    assert "Example" in everygroup("fit", "--help")[1]


def test_fit_says_which_of_two_classes_it_takes_as_the_disease(
    folder: Path, everygroup: Run, change: Callable[..., None], fit_options: list[str], tmp_path: Path
) -> None:
    change(lambda table: table.assign(label=table["label"].map({"ill": "cat", "well": "dog"})))
    fit = ["fit", folder, *fit_options, "--method", "erm", "--compare", "none"]
    code, output = everygroup(*fit, "--out", tmp_path / "silent")
    told = "'dog' is taken as the positive one"
    assert code == 0 and told in " ".join(output.split()) and "--positive cat" in " ".join(output.split()), output
    assert "is taken as the positive one" in (tmp_path / "silent" / "report.html").read_text(encoding="utf-8")
    code, output = everygroup(*fit, "--positive", "cat", "--out", tmp_path / "named")
    assert code == 0 and "taken as the positive one" not in output, output
