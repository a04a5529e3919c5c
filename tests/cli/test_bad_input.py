"""Bad input: one clear message that names what is wrong and how to mend it, exit code 2, nothing half-written."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Edit = Callable[[pd.DataFrame], pd.DataFrame]
Run = Callable[..., tuple[int, str]]


def setting(column: str, value: Any, rows: slice = slice(None)) -> Edit:
    def edit(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table[column].astype(object)
        table.loc[table.index[rows], column] = value
        return table

    return edit


def three_old(table: pd.DataFrame) -> pd.DataFrame:
    old = table.index[table["age"] > 55]
    table.loc[old[12:], "age"] = 20
    return table.drop(index=old[3:12])


def old_are_ill(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[table["age"] > 55, "label"] = "ill"
    return table


TABLES: dict[str, tuple[Edit, list[str]]] = {
    "missing column": (lambda t: t.rename(columns={"age": "years"}), ["No column 'age'", "The columns are"]),
    "missing label column": (lambda t: t.drop(columns="label"), ["No column 'label'"]),
    "group with one class": (old_are_ill, ["'>55' has", "fewer than two classes", "--bins"]),
    "group with three samples": (three_old, ["'>55'", "--bins"]),
    "one group only": (setting("age", 30), ["needs at least 2 groups", "<=55"]),
    "all attributes missing": (setting("age", ""), ["needs at least 2 groups", "missing everywhere"]),
    "missing labels": (setting("label", None, slice(3, 5)), ["'label'", "rows 5, 6"]),
    "one class only": (setting("label", "ill"), ["fewer than two classes"]),
    "duplicate ids": (setting("image_id", "p001", slice(0, 3)), ["p001", "row"]),
    "rows without images": (setting("image_id", "nobody", slice(7, 8)), ["nobody", "--on-bad-image skip"]),
    "a word among the ages": (setting("age", "old", slice(2, 3)), ["'old'", "'age'", "row 4"]),
    "no rows": (lambda t: t.iloc[:0], ["no rows"]),
    "few patients": (setting("patient_id", "one"), ["Only 1 patients"]),
}


@pytest.mark.parametrize("case", list(TABLES))
def test_tables(case: str, folder: Path, change: Any, everygroup: Run, fit_options: list[str], tmp_path: Path) -> None:
    edit, words = TABLES[case]
    change(edit)
    code, output = everygroup("fit", folder, "--out", tmp_path / "run", *fit_options)
    assert code == 2, output
    assert "Traceback" not in output
    flat = " ".join(output.split())
    for word in [*words, "Fix:"]:
        assert word in flat, output
    assert not (tmp_path / "run").exists()


def test_forgotten_bins(folder: Path, everygroup: Run, tmp_path: Path) -> None:
    options = ["--label", "label", "--group", "age", "--image-size", "10"]
    prepared = tmp_path / "prepared"
    assert everygroup("prepare", folder, "--out", prepared, *options[:2], "--group", "sex", *options[4:])[0] == 0
    for command in (["check", folder], ["fit", folder, "--out", tmp_path / "run"], ["check", prepared]):
        code, output = everygroup(*command, *options)
        assert code == 2 and "age has 14 different values" in output and "--bins age=34,72" in output, output
        assert len(output) < 400


def test_a_typing_error_in_a_set_is_said_before_it_stops_the_run(folder: Path, everygroup: Run, tmp_path: Path) -> None:
    options = ["--label", "label", "--group", "sex", "--bins", "sex=a:m|b:ff", "--image-size", "10"]
    code, output = everygroup("fit", folder, "--out", tmp_path / "run", *options)
    assert code == 2 and "'ff' is no value of 'sex'; did you mean 'f'?" in " ".join(output.split()), output


def test_a_column_in_another_case_is_suggested(folder: Path, change: Any) -> None:
    from everygroup.console import recorded_warnings
    from everygroup.datasets import read_cohort

    change(lambda table: table.rename(columns={"age": "Age"}))
    known: dict[str, Any] = {"classes": ["ill", "well"], "groups": ["<=55", ">55"], "bins": {"age": 55}}
    cohort = read_cohort(folder, group="age", image_size=10, **known)
    assert (cohort.group == -1).all() and any("did you mean 'Age'?" in w for w in recorded_warnings())


def test_empty_file_wrong_encoding_and_non_images(
    folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path
) -> None:
    table = (folder / "metadata.csv").read_text()
    for content, words in (
        (b"", "empty"),
        (b"\x00\x01\x02\xff\xfe" * 50, "metadata.csv"),
    ):
        (folder / "metadata.csv").write_bytes(content)
        code, output = everygroup("fit", folder, "--out", tmp_path / "run", *fit_options)
        assert (code, "Traceback" in output) == (2, False), output
        assert words in output
    (folder / "metadata.csv").write_text(table)
    (folder / "images" / "p004.png").write_text("this is no picture")
    code, output = everygroup("fit", folder, "--out", tmp_path / "run", *fit_options)
    assert code == 2
    assert "p004" in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--group", "tone"], "No column 'tone'"),
        (["--group", "sex,age"], "--group sex --group age"),
        (["--compare", "erm,group_model"], "--compare erm --compare group_model"),
        (["--method", "spar"], "did you mean 'spare'"),
        (["--compare", "grup_model"], "did you mean 'group_model'"),
        (["--set", "alpa=0.3"], "did you mean 'alpha'"),
        (["--set", "alpha=3"], "alpha"),
        (["--set", "epochs"], "key=value"),
        (["--set", "lr=-1"], "lr"),
        (["--backbone", "resnet1"], "Unknown backbone"),
        (["--backbone", "vgg11"], "at least 32 px"),
        (["--device", "quantum"], "No device"),
        (["--set", "amp=fp4"], "amp"),
        (["--selection", "best"], "selection rule"),
        (["--preset", "fast"], "preset"),
        (["--bins", "sex=1,2"], "Bins are given for 'sex'"),
        (["--bins", "age"], "COLUMN=RULE"),
        (["--bins", "age=60,40"], "increasing cuts"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--set", "cross_fit=50"], "cut into 50 folds"),
        (["--set", "alpha=abc"], "alpha = 'abc': Input should be a valid number"),
        (["--set", "alpha=null"], "alpha = None: Input should be a valid number"),
        (["--set", "alpha=true"], "alpha = True: Input should be a valid number"),
        (["--set", "alpha=.nan"], "alpha = nan: Input should be a finite number"),
        (["--set", "alpha={'<=55': 0.3, '>55': much}"], "'>55': 'much'}: Input should be a valid number"),
        (["--set", "temperature=x"], "temperature = 'x': Input should be a valid number"),
        (["--set", "cross_fit=two"], "cross_fit = 'two': Input should be a valid integer"),
        (["--set", "cross_fit=-1"], "cross_fit = -1: Input should be greater than or equal to 0"),
        (["--set", "cross_fit=1"], "at least 2 folds"),
        (["--set", "min_group=many"], "min_group = 'many': Input should be a valid integer"),
        (["--set", "pooled=maybe"], "pooled = 'maybe'"),
        (["--set", "compare=5"], "compare = 5"),
        (["--set", "compare=[5]"], "compare = 5"),
        (["--set", "method=5"], "method = 5"),
        (["--set", "preset=[quick]"], "preset = ['quick']"),
        (["--set", "hyperparameters=5"], "hyperparameters = 5"),
        (["--set", "image_size=abc"], "image_size = 'abc'"),
        (["--set", "image_size=12.5"], "image_size = 12.5"),
        (["--set", "image_size=0"], "image_size = 0"),
        (["--set", "group=5"], "group = 5"),
        (["--set", "split_by=[a]"], "split_by = ['a']"),
        (["--set", "sample_limit=x"], "sample_limit = 'x'"),
        (["--set", "resize=bend"], "resize = 'bend'"),
        (["--set", "drop_unlabelled=perhaps"], "drop_unlabelled = 'perhaps'"),
        (["--set", "bins=age"], "bins = 'age': give each column its rule"),
        (["--set", "bins={age: null}"], "give each column its rule"),
        (["--set", "bins={age: {young: 5}}"], "give each column its rule"),
        (["--set", "n_boot=1"], "n_boot = 1"),
        (["--set", "n_boot=few"], "n_boot = 'few'"),
        (["--set", "split_seed=-1"], "split_seed = -1"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_options(
    options: list[str], words: str, folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path
) -> None:
    kept = list(fit_options)
    # The value under test must not be hidden by a flag: flags win over --set.
    flag = options[0] if options[0] != "--set" else "--" + options[1].partition("=")[0].replace("_", "-")
    if flag in kept:
        at = kept.index(flag)
        del kept[at : at + 2]
    code, output = everygroup("fit", folder, "--out", tmp_path / "run", *kept, *options)
    assert code == 2, output
    assert words in " ".join(output.split()), output
    assert "Fix:" in output
    assert "Traceback" not in output
    if options[1] != "cross_fit=50":  # found only when the cohort is cut, during training
        assert not (tmp_path / "run").exists()


def test_output_folders(folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for out, words in (("file", "is a file"), ("full", "thesis.txt"), ("file/below", "Cannot write")):
        code, output = everygroup("fit", folder, "--out", tmp_path / out, *fit_options, "--method", "erm")
        assert (code, "Traceback" in output) == (2, False)
        assert words in " ".join(output.split()), output
    assert (tmp_path / "file").read_text() == "mine"
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_second_run_into_the_same_folder(folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path) -> None:
    options = ["fit", folder, "--out", tmp_path / "run", *fit_options, "--method", "erm"]
    assert everygroup(*options)[0] == 0
    before = (tmp_path / "run" / "summary.csv").read_bytes()
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    code, output = everygroup(*options)
    assert (code, "holds a finished run" in output) == (2, True)
    code, output = everygroup(*options, "--resume", "--lr", "0.5")
    assert (code, "a finished run with other settings (lr: 0.002 there" in " ".join(output.split())) == (2, True)
    code, output = everygroup(*options, "--resume")
    assert (code, "is finished, with the same data and settings" in " ".join(output.split())) == (0, True), output
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")} == files
    (tmp_path / "run" / "done").unlink()
    code, output = everygroup(*options)
    assert (code, "add --resume" in output) == (2, True)
    code, output = everygroup(*options, "--resume", "--lr", "0.5")
    assert (code, "other settings (lr: 0.002 there, 0.5 now" in " ".join(output.split())) == (2, True)
    assert everygroup(*options, "--resume")[0] == 0
    assert (tmp_path / "run" / "summary.csv").read_bytes() == before


def test_full_disk(
    folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import everygroup.benchmark.one_run as run_module

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "summary.csv")

    monkeypatch.setattr(run_module, "audit_predictions", full)
    code, output = everygroup("fit", folder, "--out", tmp_path / "run", *fit_options, "--method", "erm")
    assert (code, "No space left on device (summary.csv)" in " ".join(output.split())) == (2, True)
    assert not (tmp_path / "run" / "done").exists()


STAGES = {
    "reading": "everygroup.datasets.reader.read_cohort",
    "training": "everygroup.training.loop.judged",
    "distances": "everygroup.methods.store.boundary_distances",
    "audit": "everygroup.benchmark.one_run.audit_predictions",
    "report": "everygroup.benchmark.run_pages.write_report",
}


@pytest.mark.parametrize("stage", list(STAGES))
def test_ctrl_c_at_each_stage_then_resume(
    stage: str, folder: Path, everygroup: Run, fit_options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    options = ["fit", folder, "--out", tmp_path / "run", *fit_options, "--set", "min_group=10"]
    with monkeypatch.context() as patch:
        patch.setattr(STAGES[stage], interrupt)
        code, output = everygroup(*options)
    assert (code, "Traceback" in output) == (130, False), output
    assert "Interrupted" in output
    if stage == "reading":
        assert not (tmp_path / "run").exists()
        return
    assert not (tmp_path / "run" / "done").exists()
    assert not list((tmp_path / "run").rglob(".*.tmp"))
    code, output = everygroup(*options, "--resume")
    assert code == 0, output
    assert (tmp_path / "run" / "done").exists()
