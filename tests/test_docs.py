"""The reference says what the code does: options, settings, signatures, and the commands in every page."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from everygroup.cli.main import app
from everygroup.cli.options import shown_default
from everygroup.methods import list_methods, method_class
from everygroup.reading import Reading
from everygroup.settings import PRESETS, TrainSettings
from everygroup.training import SELECTION

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
READING = {f"--{name.replace('_', '-')}": (field, shown_default(field)) for name, field in Reading.model_fields.items()}
COMMANDS: dict[str, Any] = dict(get_command(app).commands)  # type: ignore[attr-defined]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(markdown: str, heading: str) -> str:
    """The text below a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", markdown, flags=re.DOTALL | re.MULTILINE)
    assert found, f"no section {heading!r}"
    return found.group(1)


def table_rows(markdown: str) -> list[list[str]]:
    """The cells of all tables' rows, without header and rule."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in markdown.splitlines()
        if line.startswith("|")
    ]
    heads = {i - 1 for i, row in enumerate(rows) if set("".join(row)) <= set("-: ")}
    return [row for i, row in enumerate(rows) if i not in heads and i - 1 not in heads]


def options(command: str) -> set[str]:
    return {
        name
        for parameter in COMMANDS[command].params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def shown(value: Any) -> str:
    """A default as YAML writes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


# ---- command line ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_documented_and_no_other(command: str) -> None:
    rows = table_rows(section(page("reference/command-line.md"), f"everygroup {command}"))
    documented = {name for row in rows for name in re.findall(r"`(--?[a-z][\w-]*)`", row[0])}
    for row in rows:
        if "#options-of-reading" in row[0]:
            documented |= set(READING) - set(re.findall(r"`(--[\w-]+)`", row[1]))
    assert documented == options(command)


def test_options_of_reading_are_those_of_the_model() -> None:
    """UPDATE_DOCS=1 writes the table."""
    path = DOCS / "reference/command-line.md"
    text = path.read_text(encoding="utf-8")
    body = section(text, "Options of reading")
    cells = [[f"`{flag}`", field.description or "", default] for flag, (field, default) in READING.items()]
    lines = [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |".replace("|  |", "| |") for row in cells
    ]
    if os.environ.get("UPDATE_DOCS"):
        kept = [line for line in body.splitlines() if not line.startswith("| `")]
        path.write_text(text.replace(body, "\n".join([*kept, *lines]) + "\n"), encoding="utf-8")
        return
    assert [line for line in body.splitlines() if line.startswith("| `")] == lines


def test_no_other_command_is_documented() -> None:
    headings = re.findall(r"^## everygroup (\w+)$", page("reference/command-line.md"), flags=re.MULTILINE)
    assert headings == list(COMMANDS)
    listed = re.findall(r"`everygroup (\w+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(listed) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_documented_defaults_are_those_of_the_command(command: str) -> None:
    defaults = {name: p.default for p in COMMANDS[command].params for name in p.opts}
    for row in table_rows(section(page("reference/command-line.md"), f"everygroup {command}")):
        if "#options-of-reading" in row[0]:
            continue
        option = re.findall(r"`(--[\w-]+)`", row[0])[0]
        setting = TrainSettings.model_fields.get(option[2:].replace("-", "_"))
        default = setting.default if setting and command == "fit" else defaults[option]
        if default is None or isinstance(default, bool):
            continue
        assert row[2].strip("`") == str(getattr(default, "value", default)), row[0]


def documented_commands() -> Iterator[tuple[str, list[str]]]:
    for path in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.split(" && "):
                    words = shlex.split(part, comments=True)
                    if words and words[0].rpartition("/")[2] == "everygroup":
                        yield path.name, words[1:]


def test_commands_in_the_pages_exist() -> None:
    found = list(documented_commands())
    assert len(found) > 20
    for where, words in found:
        assert words[0] in COMMANDS or words[0].startswith("-"), f"{where}: everygroup {words[0]}"
        used = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
        assert used <= options(words[0]) | {"--help"}, f"{where}: {' '.join(words)}"


# ---- settings -------------------------------------------------------------------------------------------------------


def documented(heading: str) -> dict[str, str]:
    """Name -> default of a table of settings."""
    rows = table_rows(section(page("reference/settings.md"), heading))
    return {row[0].strip("`"): row[1].strip("`") for row in rows}


def test_every_setting_is_documented_with_its_default() -> None:
    actual = {name: shown(field.default) for name, field in TrainSettings.model_fields.items()}
    assert documented("Training") == actual


def test_every_method_has_its_options_made_from_its_fields() -> None:
    hooks = load_hooks()
    shown = hooks.on_page_markdown(page("reference/methods.md"))
    assert "<!-- options" not in shown
    for name in list_methods():
        table = hooks.options_table(name)
        assert table in shown, name
        for option, field in method_class(name).options().items():
            assert option in method_class(name).nested() or f"| `{option}`" in table
            assert field.description or option in method_class(name).nested(), f"{name}: {option} says nothing"


def load_hooks() -> Any:
    """The hook that mkdocs calls on every page."""
    spec = importlib.util.spec_from_file_location("mkdocs_hooks", DOCS.parent / "mkdocs_hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_selection_rules_and_presets_are_documented() -> None:
    assert list(documented("Selection rules")) == list(SELECTION)
    assert list(documented("Presets")) == list(PRESETS)
    quick = ", ".join(f"`{name}` {value:g}" for name, value in PRESETS["quick"].items())
    assert dict(row[:2] for row in table_rows(section(page("reference/settings.md"), "Presets")))["`quick`"] == quick
    ours = [row[2] for row in table_rows(page("explanation/spare.md")) if row[0] == "optimiser"]
    default = TrainSettings()
    assert ours == [f"AdamW, {default.lr:.0e}, {default.schedule}, {default.epochs} epochs".replace("e-0", "e-")]


def test_options_named_where_we_differ_from_the_paper_exist() -> None:
    rows = table_rows(section(page("explanation/spare.md"), "Where we differ, and how to have it the paper's way"))
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)(?:=[^`]*)?`", row[3])}
    values = {"quantile", "rank", "paper_size", "sum_w_batch", "drop", "erm", "lab", "audit"}
    assert named - values <= set(method_class("spare").options())


# ---- Python ---------------------------------------------------------------------------------------------------------

SIGNATURES = [
    block
    for block in re.findall(r"```python\n(.*?)```", page("reference/python-api.md"), flags=re.DOTALL)
    if block.startswith("everygroup.")
]


def resolve(name: str) -> Any:
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:i]))
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("block", SIGNATURES, ids=lambda b: b.partition("(")[0])
def test_documented_signature_is_the_actual_one(block: str) -> None:
    name, _, arguments = block.strip().partition("(")
    arguments = re.sub(r"(?<==)nan\b", "'nan'", arguments)
    function = ast.parse(f"def f({arguments}:\n    pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    wanted = function.args
    actual = [p for p in inspect.signature(resolve(name)).parameters.values() if p.name != "self"]
    positional = [p for p in actual if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keyword = [p for p in actual if p.kind == p.KEYWORD_ONLY]
    assert [a.arg for a in wanted.args] == [p.name for p in positional]
    assert [a.arg for a in wanted.kwonlyargs] == [p.name for p in keyword]
    assert bool(wanted.kwarg) == any(p.kind == p.VAR_KEYWORD for p in actual)
    given = [None] * (len(positional) - len(wanted.defaults)) + list(wanted.defaults) + list(wanted.kw_defaults)
    for parameter, default in zip([*positional, *keyword], given, strict=True):
        assert (default is None) == (parameter.default is parameter.empty), parameter.name
        if default is not None:
            assert repr(parameter.default).strip("'") == str(ast.literal_eval(default)), parameter.name


def test_the_list_of_signatures_is_not_empty() -> None:
    assert len(SIGNATURES) > 40


def test_the_home_page_leads_to_every_page() -> None:
    docs = Path(__file__).parents[1] / "docs"
    home = (docs / "index.md").read_text(encoding="utf-8")
    pages = [str(path.relative_to(docs)) for path in docs.rglob("*.md") if path.name != "index.md"]
    assert len(pages) > 40 and [page for page in sorted(pages) if f"]({page})" not in home] == []
