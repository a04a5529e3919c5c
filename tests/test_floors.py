"""The house stands: no room imports from a floor above it, no files import in a circle, none is long, and none of the
audit's rooms needs torch."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import everygroup

FLOORS = (
    ("statistics", "errors", "console", "files", "mapped", "imported", "offers"),
    ("cohort", "tables", "settings", "reading"),
    ("datasets", "imaging", "predictions", "figures"),
    ("boundary", "networks", "metrics", "spare", "targets"),
    ("training", "models", "audit", "check"),
    ("methods",),
    ("benchmark", "advise", "report", "deploy"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SOURCE = Path(everygroup.__file__).parent
ONE_ROOM = {"predictions_csv": "predictions"}  # one room in two files
WITHOUT_TORCH = {"metrics", "statistics", "audit", "figures", "report", "predictions", "tables"}
LINES = 400  # of a file, at most
ENTRANCES = {"__init__", "__main__"}  # the package's own front door: gives names from every floor


def room_of(path: Path) -> str:
    name = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return ONE_ROOM.get(name, name)


def imported_rooms(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield every room of everygroup that a module imports, wherever the import stands, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide the room"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("everygroup."):
                room = name.split(".")[1]
                yield ONE_ROOM.get(room, room), node.lineno


def edges() -> list[tuple[str, str, str]]:
    """(room, imported room, place) of every import between rooms."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        room = room_of(path)
        if room in ENTRANCES:
            continue
        for other, line in imported_rooms(ast.parse(path.read_text(encoding="utf-8"))):
            if other not in (room, "__version__"):
                found.append((room, other, f"{path.relative_to(SOURCE)}:{line}"))
    return found


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in SOURCE.rglob("*.py")} - ENTRANCES
    assert rooms <= set(FLOOR), f"put {rooms - set(FLOOR)} on a floor"


def test_no_room_imports_from_a_floor_above() -> None:
    wrong = [f"{place}: {room} imports {other}" for room, other, place in edges() if FLOOR[other] > FLOOR[room]]
    assert not wrong, "\n".join(wrong)


def test_rooms_do_not_import_in_a_circle() -> None:
    needs: dict[str, set[str]] = {}
    for room, other, _ in edges():
        needs.setdefault(room, set()).add(other)
    assert len(tuple(TopologicalSorter(needs).static_order())) > 5


def names_of(paths: Iterable[Path]) -> dict[str, Path]:
    """Dotted name -> file; a room's __init__ only gives names from its files, and is left out."""
    return {
        ".".join((SOURCE.name, *path.relative_to(SOURCE).with_suffix("").parts)): path
        for path in paths
        if path.name != "__init__.py"
    }


def imported_files(name: str, tree: ast.Module, files: Container[str]) -> set[str]:
    """The files that a file imports, wherever the import stands; for types alone counts, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {other for other in found if other in files and other != name}


def circle(needs: Mapping[str, set[str]]) -> list[str]:
    """One circle of imports, if there is any."""
    try:
        tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def test_files_do_not_import_in_a_circle() -> None:
    files = names_of(SOURCE.rglob("*.py"))
    needs = {
        name: imported_files(name, ast.parse(path.read_text(encoding="utf-8")), files) for name, path in files.items()
    }
    assert sum(map(len, needs.values())) > 500
    assert not (found := circle(needs)), f"move what is shared to a file of its own: {' -> '.join(found)}"


@pytest.mark.parametrize("name", sorted(WITHOUT_TORCH))
def test_rooms_of_the_audit_do_not_import_torch(name: str) -> None:
    for path in (SOURCE / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = {n.split(".")[0] for n in names} & {"torch", "torchvision", "timm"}
            assert not heavy, f"{path}:{node.lineno}"


def test_no_file_is_long() -> None:
    long = {str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*.py") if p.read_bytes().count(b"\n") > LINES}
    assert not long, "one file, one idea"


def test_the_check_of_files_sees_a_circle_and_imports_for_types() -> None:
    code = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from e.rooms import b\ndef f():\n    import e.c\n"
    assert imported_files("e.a", ast.parse(code), {"e.rooms.b", "e.c", "e.a"}) == {"e.rooms.b", "e.c"}
    assert circle({"a": {"b"}, "b": {"a"}, "c": set()}) and not circle({"a": {"b"}, "b": {"c"}})


def test_the_check_sees_imports_inside_functions() -> None:
    tree = ast.parse("def f():\n    from everygroup import cli\n    import everygroup.methods.spare\n")
    assert sorted(imported_rooms(tree)) == [("cli", 2), ("methods", 3)]
