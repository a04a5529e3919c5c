"""`everygroup audit`: all group-wise numbers of a table of predictions, and limits that they have to keep."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everygroup.cli.options import Fields, with_options
from everygroup.console import console, say
from everygroup.errors import OutputError, SettingsError
from everygroup.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everygroup.audit import Audit
    from everygroup.audit.gates import Gate, GateResult

_COLUMNS, _WHICH, _HOW, _RESULT = "Columns", "Rows and groups", "Statistics", "Result"


class Task(StrEnum):
    """What was predicted."""

    auto = "auto"
    classification = "classification"
    multilabel = "multilabel"
    regression = "regression"
    segmentation = "segmentation"
    anomaly = "anomaly"


class IntervalKind(StrEnum):
    """Which intervals."""

    auto = "auto"
    percentile = "percentile"


def _column(help: str, *names: str) -> Any:
    return typer.Option(*names, metavar="COLUMN", help=help, rich_help_panel=_COLUMNS)


@with_options
def audit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or parquet of predictions, or a run folder that holds them.")
    ],
    grouping: Annotated[Reading, Fields(only=("bins", "missing", "not_missing", "map", "decimal"))],
    task: Annotated[
        Task, typer.Option(help="What was predicted; guessed from the columns, and said.", rich_help_panel=_COLUMNS)
    ] = Task.auto,
    y_true: Annotated[
        str | None, _column("Column of the label; for several labels a pattern such as 'true_*'.")
    ] = None,
    y_pred: Annotated[str | None, _column("Column of the answer.")] = None,
    y_score: Annotated[
        list[str] | None,
        _column("Column of a class's score, repeatable; a pattern such as 'score_*'; or one positive score."),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="The positive one of two classes, where their names do not tell.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    id_column: Annotated[str | None, _column("Column of the sample id.", "--id-column", "--id")] = None,
    cluster: Annotated[str | None, _column("Column of the patient or lesion; none: rows are independent.")] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Another table with further columns (age, sex), joined by id.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    metadata_id: Annotated[str | None, _column("Its column of ids.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column of a sensitive attribute; repeatable.", rich_help_panel=_WHICH),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMNS", help="Several of them at once: sex,age.", rich_help_panel=_WHICH),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Audit the rows of this split; 'test' where there is one, 'all' for everything.",
            rich_help_panel=_WHICH,
        ),
    ] = None,
    split_column: Annotated[str | None, _column("Column of the split.")] = None,
    min_n: Annotated[
        int, typer.Option(min=1, help="Groups with fewer samples are left out of gaps.", rich_help_panel=_WHICH)
    ] = 10,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Answer anew, for two classes: fixed:0.4, or chosen on validation rows: sens:0.9 (at least this "
            "sensitivity, the best specificity), spec:0.9, youden, f1.",
            rich_help_panel=_WHICH,
        ),
    ] = None,
    threshold_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of the validation rows, where they are not in FILE.", rich_help_panel=_WHICH
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Predictions of another model for the same samples.", rich_help_panel=_RESULT
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES", help="Metrics: accuracy,recall[melanoma]; or standard, or all.", rich_help_panel=_HOW
        ),
    ] = None,
    critical: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Class whose recall matters most, among more than two; repeatable.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    interval: Annotated[
        IntervalKind,
        typer.Option(help="Best known interval per metric, or the bootstrap percentile.", rich_help_panel=_HOW),
    ] = IntervalKind.auto,
    intersections: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="ORDER",
            help="Audit all subgroups of up to so many attributes; 0: none.",
            rich_help_panel=_HOW,
        ),
    ] = 0,
    n_boot: Annotated[
        int, typer.Option(min=1, help="Bootstrap replicates and permutations.", rich_help_panel=_HOW)
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.", rich_help_panel=_HOW)] = 0,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GATE",
            help="Exit with 1 where this holds or cannot be known: 'gap(macro_f1)>0.10', "
            "'worst(recall[melanoma],age)<0.7', 'value(accuracy,sex,f)<0.8', 'gap_low(auc)>0'; repeatable.",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder for the results; FILE-audit beside the file.", rich_help_panel=_RESULT
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(help="Write brief.html, report.html, model-card.md and tables too.", rich_help_panel=_RESULT),
    ] = True,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Print every number and everything to heed, not one screen.",
            rich_help_panel=_RESULT,
        ),
    ] = False,
) -> None:
    """Measure performance in every group, the gaps between groups, and how certain all this is.

    Columns that are not named are guessed from their names, and said; sensitive attributes are never guessed.

    Examples:

        everygroup audit runs/spare --baseline runs/erm

        everygroup audit table.csv --y-true dx --y-score 'p_*' --groups sex,age --bins age=40,60 --cluster patient

        everygroup audit scores.csv --group sex --threshold sens:0.9 --threshold-from val.csv --fail-if 'gap(auc)>0.1'
    """
    from everygroup.audit.door import audit_table
    from everygroup.audit.gates import Gate
    from everygroup.cli.audit_show import show, show_files
    from everygroup.console import clear_warnings
    from everygroup.tables import file_of

    clear_warnings()
    path = file_of(file)
    folder = _folder(out, path)
    limits = [Gate.parse(text) for text in fail_if or ()]
    result = audit_table(
        path,
        task=task.value,
        y_true=y_true,
        y_pred=y_pred,
        y_score=y_score if y_score is None or len(y_score) > 1 else y_score[0],
        positive=positive,
        id_column=id_column,
        cluster=cluster,
        metadata=metadata,
        metadata_id=metadata_id,
        groups=_named_groups(group, groups),
        bins=grouping.bins,
        spelling=grouping.spelling,
        split=split,
        split_column=split_column,
        threshold=threshold,
        threshold_from=threshold_from,
        baseline=baseline,
        metrics=metrics,
        critical=critical or (),
        also=[gate.metric for gate in limits],
        intersections=intersections,
        n_boot=n_boot,
        seed=seed,
        min_n=min_n,
        interval=interval.value,
    )
    show(result, verbose=verbose)
    outcomes, wrong = judged(result, limits)
    asked = result.settings["asked"] | {f"gate {i}": str(outcome) for i, outcome in enumerate(outcomes, 1)}
    show_files(write(result, folder, asked, pages=report))
    if wrong is not None:
        raise wrong
    check(outcomes, folder)


def _named_groups(group: Sequence[str] | None, groups: Sequence[str] | None) -> list[str] | None:
    """Columns of --group (as they are) and of --groups (separated by commas), each once; None without any."""
    listed = [part.strip() for text in groups or () for part in text.split(",")]
    if "" in listed:
        raise SettingsError("--groups holds an empty name.", fix="write --groups sex,age")
    return list(dict.fromkeys([*(group or ()), *listed])) or None


def write(result: Audit, folder: Path, asked: dict[str, Any], *, pages: bool = True) -> list[Path]:
    """Write everything an audit leaves behind, and return the files; without `pages` the numbers alone."""
    if not pages:
        return result.write(folder)
    from everygroup.report import write_brief, write_model_card, write_report, write_tables

    title = f"Audit of {asked['predictions']}"
    return [
        *result.write(folder),
        write_brief(folder / "brief.html", title=title, question=asked, audit=result),
        write_report(folder / "report.html", title=title, question=asked, audit=result),
        write_model_card(folder / "model-card.md", result, title=title, question=asked),
        *write_tables(folder, result),
    ]


def judged(result: Audit, limits: Sequence[Gate]) -> tuple[list[GateResult], SettingsError | None]:
    """What became of the limits; or why they cannot be judged, which must not cost the results."""
    from everygroup.audit.gates import gates

    try:
        return gates(result, limits), None
    except SettingsError as error:
        return [], error


def check(outcomes: Sequence[GateResult], folder: Path) -> None:
    """Write gates.csv, and exit with 1 if a limit is broken."""
    from everygroup.audit.gates import gate_table
    from everygroup.files import safe_csv

    if not outcomes:
        return
    say(f"Wrote {safe_csv(gate_table(outcomes), folder / 'gates.csv')}")
    for outcome in outcomes:
        console.print(f"Gate {outcome}", markup=False, style="red" if outcome.failed else "green", soft_wrap=True)
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)


def _folder(out: Path | None, path: Path) -> Path:
    """Where the results go; never into the folder of a run."""
    folder = out if out is not None else path.parent / f"{path.stem}-audit"
    if folder.is_file():
        raise OutputError(f"{folder} is a file.", fix="name a folder with --out")
    if (folder / "config.yaml").exists():
        raise OutputError(
            f"{folder} is the folder of a run, whose summary.csv, audit.json and report.html would be replaced.",
            fix=f"choose another folder, such as --out {folder}-audit, or leave out --out",
        )
    return folder
