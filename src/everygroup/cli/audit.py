"""`everygroup audit`: all group-wise numbers of a table of predictions, and limits that they have to keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everygroup.cli.options import Fields, ImportOption, given, with_options
from everygroup.console import console, say
from everygroup.errors import OutputError, SettingsError
from everygroup.predictions.audit_options import AuditOptions
from everygroup.predictions.table_reading import TableReading
from everygroup.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from everygroup.audit import Audit
    from everygroup.audit.gates import Gate, GateResult

_WHICH = "Rows and groups"


@with_options
def audit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or parquet of predictions, or a run folder that holds them.")
    ],
    columns: Annotated[TableReading, Fields(without=("bins", "classes", "model", "spelling", "beside"))],
    grouping: Annotated[Reading, Fields(only=("bins", "missing", "not_missing", "map", "decimal"))],
    options: Annotated[AuditOptions, Fields()],
    several: Annotated[
        list[str] | None,
        typer.Option(
            "--groups", metavar="COLUMNS", help="Several of them at once: sex,age.", rich_help_panel="Rows and groups"
        ),
    ] = None,
    import_: ImportOption = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GATE",
            help="Exit with 1 where this holds or cannot be known: 'gap(macro_f1)>0.10', "
            "'worst(recall[melanoma],age)<0.7', 'value(accuracy,sex,f)<0.8', 'gap_low(auc)>0'; repeatable.",
            rich_help_panel="Result",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder for the results; FILE-audit beside the file.", rich_help_panel="Result"
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(help="Write brief.html, report.html, model-card.md and tables too.", rich_help_panel="Result"),
    ] = True,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Print every number and everything to heed, not one screen.",
            rich_help_panel="Result",
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
    from everygroup.metrics.own import import_metrics
    from everygroup.tables import file_of

    clear_warnings()
    import_metrics(import_ or ())
    path = file_of(file)
    folder = _folder(out, path)
    limits = [Gate.parse(text) for text in fail_if or ()]
    result = audit_table(
        path,
        **given(columns) | {"groups": _named_groups(columns.groups, several)},
        **given(options),
        bins=grouping.bins,
        spelling=grouping.spelling,
        also=[gate.metric for gate in limits],
    )
    show(result, verbose=verbose, named=bool({*options.metrics} - {"standard", "all"}))
    outcomes, wrong = judged(result, limits)
    asked = result.settings["asked"] | {f"gate {i}": str(outcome) for i, outcome in enumerate(outcomes, 1)}
    show_files(_written(result, folder, asked) if report else result.write(folder))
    if wrong is not None:
        raise wrong
    check(outcomes, folder)


def _named_groups(group: Sequence[str] | None, groups: Sequence[str] | None) -> list[str] | None:
    """Columns of --group (as they are) and of --groups (separated by commas), each once; None without any."""
    listed = [part.strip() for text in groups or () for part in text.split(",")]
    if "" in listed:
        raise SettingsError("--groups holds an empty name.", fix="write --groups sex,age")
    return list(dict.fromkeys([*(group or ()), *listed])) or None


def _written(result: Audit, folder: Path, asked: Mapping[str, Any]) -> list[Path]:
    from everygroup.report.save import save

    return save(result, folder, question=asked)


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
