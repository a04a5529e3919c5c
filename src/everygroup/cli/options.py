"""Options of commands from fields of models: name, type, limits, choices and help text are written once, there.

A command takes a model as one argument, and `with_options` puts the model's fields on the command line in its place:

    @with_options
    def check(source: SourceArgument, reading: Annotated[Reading, Fields()]) -> None: ...
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import typer
from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from everygroup.errors import SettingsError
from everygroup.settings import build

F = TypeVar("F", bound=Callable[..., None])

SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A folder holding metadata.csv and its images, a CSV file, or a folder made by everygroup prepare.",
    ),
]
WorkersOption = Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads that decode images; one a core.")]
SeedOption = Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the split.")]
ImportOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Python file of methods or metrics of your own; importing it runs its code. Repeatable.",
    ),
]


@dataclass(frozen=True)
class Fields:
    """Which fields of a model are options of a command: all, `only` some, or all `without` some."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def of(self, model: type[BaseModel]) -> dict[str, FieldInfo]:
        """Return the chosen fields, in the model's order."""
        names = self.only or [name for name in model.model_fields if name not in self.without]
        return {name: field for name, field in model.model_fields.items() if name in names}


def with_options(command: F) -> F:
    """Let every argument annotated with a model and `Fields` be options; the command gets the model built of them."""
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    models = {name: found for name, hint in hints.items() if (found := _model_of(hint)) is not None}
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in models:
            parameters.extend(_parameters(*models[name]))
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, (model, fields) in models.items():
            given = {key: values.pop(key) for key in fields.of(model)}
            values[name] = build(model, {key: _read(model, key, v) for key, v in given.items() if v is not None})
        command(**values)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return cast(F, run)


def given(model: BaseModel) -> dict[str, Any]:
    """Return what was asked for, without what was left to the defaults."""
    return {name: getattr(model, name) for name in model.model_fields_set}


def shown_default(field: FieldInfo) -> str:
    """Return what holds where an option is not given, in the words of its field, else its default; '' for nothing."""
    value = "" if isinstance(field.default, bool | dict | None) else field.default
    return str(_extra(field).get("otherwise") or (", ".join(value) if isinstance(value, tuple) else value))


def pairs(
    texts: Sequence[str] | None, option: str, form: str = "COLUMN=RULE", *, last: bool = False
) -> list[tuple[str, str]]:
    """Split each text at its first '=' (or last: names of columns such as 'malignancy(malig=1)' hold one).

    Raises
    ------
    SettingsError
        That names all texts without a first or a second half.
    """
    halves = [text.rpartition("=") if last else text.partition("=") for text in texts or ()]
    found = [(before.strip(), after.strip()) for before, _, after in halves]
    if wrong := [repr("".join(half)) for half, pair in zip(halves, found, strict=True) if not all(pair)]:
        raise SettingsError(f"Cannot read {option} {', '.join(wrong)}.", fix=f"write {option} {form}")
    return found


def mapping(texts: Sequence[str] | None, option: str, form: str = "COLUMN=RULE") -> dict[str, str]:
    """Return what texts such as 'age=40,60' say of each name.

    Raises
    ------
    SettingsError
        As `pairs`, and where a name is given twice.
    """
    found = pairs(texts, option, form)
    names = [name for name, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"{option} gives {', '.join(map(repr, twice))} twice.", fix="give each name once")
    return dict(found)


def _model_of(hint: Any) -> tuple[type[BaseModel], Fields] | None:
    if get_origin(hint) is Annotated:
        model, *extras = get_args(hint)
        for extra in extras:
            if isinstance(extra, Fields):
                return model, extra
    return None


def _parameters(model: type[BaseModel], fields: Fields) -> Iterator[inspect.Parameter]:
    for name, field in fields.of(model).items():
        annotation = _annotation(model, name, field)
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _annotation(model: type[BaseModel], name: str, field: FieldInfo) -> Any:
    kind, extra = _kind(field.annotation), _extra(field)
    text = field.description or ""
    several = " Repeatable." if kind == list[str] else ""
    limits = {type(m): getattr(m, "ge", getattr(m, "le", None)) for m in field.metadata if isinstance(m, Ge | Le)}
    option = typer.Option(
        *_flags(name, field),
        metavar=extra.get("metavar") or None,
        help=f"{text[:1].upper()}{text[1:]}.{several}",
        show_default=shown_default(field) or False,
        rich_help_panel=extra.get("panel") or model.model_config.get("title"),
        min=limits.get(Ge),
        max=limits.get(Le),
    )
    return Annotated[kind | None, option]


def _read(model: type[BaseModel], name: str, value: Any) -> Any:
    """Take texts such as 'age=40,60' apart where the model has a mapping."""
    field = model.model_fields[name]
    if dict in _origins(field.annotation) and isinstance(value, list):
        return mapping(value, _flags(name, field)[0], _extra(field).get("metavar") or "KEY=VALUE")
    return value


def _flags(name: str, field: FieldInfo) -> list[str]:
    return str(_extra(field).get("flag") or f"--{name.replace('_', '-')}").split()


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _kind(annotation: Any) -> Any:
    """Return the type that typer knows for a field's: several names and pairs are lists of texts."""
    if get_origin(annotation) is Literal:
        return annotation
    if _origins(annotation) & {list, tuple, dict}:
        return list[str]
    return next(kind for kind in _bare(annotation) if kind is not types.NoneType)


def _origins(annotation: Any) -> set[Any]:
    return {get_origin(kind) for kind in _bare(annotation)}


def _bare(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, without what Annotated adds to them."""
    if get_origin(annotation) is Annotated:
        yield from _bare(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _bare(member)
    else:
        yield annotation
