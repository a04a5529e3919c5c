"""Methods in files of one's own: the page's text copied out, known by its content, refused with the reason."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Store, create_method, import_files, list_methods, method_class
from everygroup.methods.imported import code_hash, import_again
from everygroup.methods.parts import REGISTERED
from everygroup.settings import TrainSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/add-a-method.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[0]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "group_balanced.py"
    path.write_text(CODE, encoding="utf-8")
    yield path
    REGISTERED.pop("group_balanced", None)


def test_trains_by_name_and_in_a_chain_and_loads_without_the_file(
    file: Path, two: Split, vector_settings: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="Unknown method 'group_balanced'"):
        create_method("group_balanced")
    import_files([file])
    store, settings = Store(), vector_settings.but(updates=20)
    fitted = {
        text: create_method(text).fit(two.train, two.validation, settings=settings, store=store)
        for text in ("group_balanced", "group_balanced(power=0.0)", "group_balanced + fairprune(rounds=1)")
    }
    erm = ERM().fit(two.train, two.validation, settings=settings, store=store)
    probabilities = [model.predict_proba(two.test) for model in (*fitted.values(), erm)]
    assert np.array_equal(probabilities[1], probabilities[3])
    assert not np.array_equal(probabilities[0], probabilities[3])
    model = fitted["group_balanced"]
    assert (model.method, model.info["hyperparameters"]) == ("group_balanced", {"power": 1.0})
    model.save(tmp_path / "model")
    script = (
        "import sys; from everygroup.models import RoutedModel; m = RoutedModel.load(sys.argv[1]); "
        "assert not [n for n in sys.modules if 'group_balanced' in n]; print(m.method)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model")], capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "group_balanced", ran.stderr


def test_content_identifies_a_method(file: Path, two: Split, vector_settings: TrainSettings) -> None:
    known = import_files([file])
    chain = create_method("resampling + group_balanced")
    first = code_hash(chain)
    assert first == code_hash(method_class("group_balanced"))
    assert not code_hash(create_method("resampling + erm"))
    assert not code_hash(method_class("erm"))
    import_again(known)

    file.write_text(file.read_text() + "\n# better\n")
    with pytest.raises(SettingsError, match="changed"):
        import_again(known)
    import_files([file])
    again = create_method("resampling + group_balanced")
    assert code_hash(again) not in ("", first)
    store = Store()
    for each in (chain, again):  # a network of the file as it was is not taken for one of the file as it is
        each.fit(two.train, two.validation, settings=vector_settings.but(updates=3), store=store)
    assert len(store._trained) == 2
    file.write_text(CODE)
    import_files([file])
    assert code_hash(create_method("group_balanced")) == first  # to and fro


def test_what_a_file_imports_of_the_package_is_not_its_own(tmp_path: Path) -> None:
    """In a process where no method has been asked for yet, the import of one registers it."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from everygroup.methods.learn.group_dro import GroupDRO\nfrom everygroup.methods import method\n"
        "@method('Mine', 'None. 2026')\nclass Mine(GroupDRO):\n    pass\n"
    )
    script = (
        "import sys; from everygroup.methods import import_files, method_class; import_files([sys.argv[1]]); "
        "from everygroup.methods.imported import code_hash; "
        "print(bool(code_hash(method_class('mine'))), bool(code_hash(method_class('group_dro'))))"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert ran.stdout.split()[-2:] == ["True", "False"], ran.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_package\n", ["line 1", "no_such_package"]),
        ("\nx = (\n", ["line 2", "SyntaxError"]),
        ("def f():\n    return 1 / 0\n\nf()\n", ["line 2", "ZeroDivisionError"]),
        ("raise SystemExit(0)\n", ["line 1"]),
        ("x = 1\n", ["registers no method", "@method"]),
        ("PAGE", ["'erm'", "another name"]),
    ],
)
def test_a_file_that_cannot_be_used_says_why(file: Path, text: str, words: list[str]) -> None:
    methods = {name: method_class(name) for name in list_methods()}
    file.write_text(CODE.replace("    groups=(2, None),", "    name='erm',") if text == "PAGE" else text)
    with pytest.raises(SettingsError) as caught:
        import_files([file])
    assert all(word in str(caught.value) for word in [str(file), *words]), caught.value
    assert methods == REGISTERED
