"""The `everygroup` command: each subcommand is one small file; a user's mistake ends in one message and exit code 2."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, cast

import typer

from everygroup.cli.advise import advise
from everygroup.cli.audit import audit
from everygroup.cli.benchmark import benchmark
from everygroup.cli.check import check
from everygroup.cli.collect import collect
from everygroup.cli.demo import demo
from everygroup.cli.embed import embed
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

F = TypeVar("F", bound=Callable[..., None])


def _kindly(command: F) -> F:
    """Turn what a user can cause into one message and an exit code, instead of a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except EverygroupError as error:
            _stop(f"Error: {error}", error.exit_code)
        except KeyboardInterrupt:
            _stop("Interrupted. What is finished is kept; the same command goes on (fit: with --resume).", 130)
        except MemoryError:
            _stop("Error: out of memory.\n  Fix: use a smaller --image-size or --batch-size", 2)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            _stop(f"Error: {error.strerror or error}{where}.", 2)

    return cast(F, run)


def _stop(message: str, code: int) -> NoReturn:
    console.print(message, markup=False, style="red", soft_wrap=True)
    raise typer.Exit(code) from None


_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "check": check,
    "prepare": prepare,
    "embed": embed,
    "advise": advise,
    "fit": fit,
    "predict": predict,
    "audit": audit,
    "benchmark": benchmark,
    "collect": collect,
    "list": list_names,
    "describe": describe,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_kindly(_command))


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
    """Run the command line; exits with 0, 1 (a gate failed), 2 (bad input) or 130 (interrupted)."""
    app(args=arguments)
