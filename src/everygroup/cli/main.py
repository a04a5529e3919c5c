"""The `everygroup` command: each subcommand is one small file; a user's mistake ends in one message and exit code 2."""

from __future__ import annotations

import os
import sys

import typer

from everygroup.cli.audit import audit
from everygroup.cli.check import check
from everygroup.cli.demo import demo
from everygroup.cli.fit import fit
from everygroup.cli.listing import describe, list_names
from everygroup.cli.predict import predict
from everygroup.cli.prepare import prepare
from everygroup.console import console
from everygroup.errors import EverygroupError

app = typer.Typer(
    name="everygroup",
    help="Train the best diagnosis model for every patient group, and measure honestly whether it is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(demo)
app.command()(check)
app.command()(prepare)
app.command()(fit)
app.command()(predict)
app.command()(audit)
app.command("list")(list_names)
app.command()(describe)


def _version(shown: bool) -> None:
    if shown:
        from everygroup import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0, 1 (a check failed), 2 (bad input) or 130 (interrupted)."""
    try:
        app(args=arguments, standalone_mode=True)
    except EverygroupError as error:
        console.print(f"Error: {error}", markup=False, style="red", soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.print("Interrupted. What was finished is kept; `fit --resume` goes on from there.", markup=False)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MemoryError:
        console.print(
            "Error: out of memory.\n  Fix: use a smaller --image-size or --batch-size", markup=False, style="red"
        )
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        console.print(f"Error: {error.strerror or error}{where}.", markup=False, style="red", soft_wrap=True)
        sys.exit(2)
