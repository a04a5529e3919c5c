"""The house stands: no room imports from a floor above it, and rooms of one floor do not import in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import everygroup

FLOORS = (
    ("statistics", "errors", "console", "files"),
    ("cohort", "tables", "settings", "reading"),
    ("datasets", "imaging", "predictions", "figures"),
    ("boundary", "networks", "metrics", "spare"),
    ("training", "audit"),
    ("methods",),
    ("benchmark", "report", "deploy"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SOURCE = Path(everygroup.__file__).parent
ONE_ROOM = {"predictions_csv": "predictions"}  # one room in two files
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


def test_the_check_sees_imports_inside_functions() -> None:
    tree = ast.parse("def f():\n    from everygroup import cli\n    import everygroup.methods.spare\n")
    assert sorted(imported_rooms(tree)) == [("cli", 2), ("methods", 3)]
