"""What importing costs, and what it must not bring in."""

from __future__ import annotations

import subprocess
import sys

import pytest

import everygroup

LIGHT = ("metrics", "statistics", "audit", "figures", "report", "predictions", "cohort", "errors", "console", "files")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_is_quick_and_light() -> None:
    code = (
        "import time; start = time.perf_counter(); import everygroup; took = time.perf_counter() - start\n"
        "import sys; heavy = {'torch', 'altair', 'timm', 'sklearn', 'pandas'} & set(sys.modules); print(took, heavy)"
    )
    took, heavy = run(code).split(" ", 1)
    assert float(took) < 1
    assert heavy == "set()"


def test_the_rooms_of_the_audit_do_not_need_torch() -> None:
    code = (
        "import importlib, sys\n"
        f"for room in {LIGHT}:\n"
        "    importlib.import_module('everygroup.' + room)\n"
        "    assert 'torch' not in sys.modules, room\n"
        "print('done')"
    )
    assert run(code) == "done"


def test_public_names_are_there() -> None:
    for name in everygroup.__all__:
        assert getattr(everygroup, name) is not None
    assert dir(everygroup) == sorted(everygroup.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        everygroup.nothing  # noqa: B018
