"""The repository keeps its promises: one version, the commands the README names, no local paths, short files."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import everygroup

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_LINES = 400
LOCAL_PATH = re.compile(r"(?<![\w.:/~$}])/(?:home|work|root|Users|mnt)/\w|[A-Z]:\\\\?Users")
TEXT = {".cff", ".cfg", ".css", ".csv", ".j2", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml", ""}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shell_lines(markdown: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", markdown, flags=re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def committed() -> list[Path]:
    """Files that are, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git clone")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/everygroup/__init__.py"
    repeated = [p for p in SOURCES if p.name != "__init__.py" and f'"{everygroup.__version__}"' in p.read_text("utf-8")]
    assert not repeated
    assert yaml.safe_load(text("CITATION.cff"))["version"] == everygroup.__version__
    assert f"## [{everygroup.__version__}]" in text("CHANGELOG.md")


def test_ci_runs_the_commands_of_the_readme() -> None:
    ci = text(".ci/run")
    lines = shell_lines(text("README.md"))
    set_up = next(line for line in lines if "pip install" in line)
    tests = next(line for line in lines if "-m pytest" in line)
    make, install, demo = set_up.split(" && ")
    assert make == "python3.11 -m venv .venv"
    assert install.replace(".venv/bin/pip install", '"$venv/bin/pip" install --quiet') in ci
    assert demo.startswith(".venv/bin/everygroup demo")
    assert tests.replace(".venv/bin/python", '"$venv/bin/python"') + " --cov" in ci


def test_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / ".ci/run")], check=True)
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    assert {"run": ".ci/run"} in workflow["jobs"]["check"]["steps"]


def test_contributing_names_the_same_commands() -> None:
    readme = shell_lines(text("README.md"))
    contributing = shell_lines(text("CONTRIBUTING.md"))
    assert contributing[0] == next(line for line in readme if "pip install" in line).rpartition(" && ")[0]
    assert contributing[1] in readme


def test_no_committed_text_names_a_local_path() -> None:
    found = []
    for path in committed():
        if path.suffix not in TEXT or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if LOCAL_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_licence() -> None:
    licence = text("LICENSE")
    assert "Apache License" in licence and "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert tomllib.loads(text("pyproject.toml"))["project"]["license"] == "Apache-2.0"
    assert yaml.safe_load(text("CITATION.cff"))["license"] == "Apache-2.0"


def test_citation_names_both_papers() -> None:
    citation = yaml.safe_load(text("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert [(r["journal"], r["year"]) for r in citation["references"]] == [
        ("Medical Image Analysis", 2026),
        ("npj Digital Medicine", 2024),
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_source_file_says_what_it_is_and_is_short(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(code)), "a module docstring is missing"
    assert len(code.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_relative_links_lead_somewhere(name: str) -> None:
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text(name)) if "://" not in t]
    missing = [t for t in targets if not (ROOT / t.partition("#")[0]).exists()]
    assert not missing
