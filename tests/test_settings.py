"""Training settings: presets, changes, YAML and the errors a user meets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from everygroup.errors import SettingsError
from everygroup.settings import PRESETS, TrainSettings, parse_assignments, read_config, write_config


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_changes_win(preset: str) -> None:
    settings = TrainSettings.make(preset=preset)
    for key, value in PRESETS[preset].items():
        assert getattr(settings, key) == value
    assert TrainSettings.make({"epochs": 3}, preset=preset).epochs == 3


def test_the_paper_preset_is_the_papers() -> None:
    paper = TrainSettings.make(preset="paper")
    assert (paper.backbone, paper.optimiser, paper.lr, paper.batch_size, paper.epochs) == (
        "resnet18",
        "sgd",
        1e-4,
        128,
        200,
    )


def test_unknown_preset_and_key_name_what_there_is() -> None:
    with pytest.raises(SettingsError, match="choose one of standard, quick, paper"):
        TrainSettings.make(preset="fast")
    with pytest.raises(SettingsError, match="did you mean 'weight_decay'") as caught:
        TrainSettings.make({"wieght_decay": 0.1})
    assert "batch_size" in caught.value.fix
    with pytest.raises(SettingsError) as caught:
        TrainSettings.make({"zzz": 1})
    assert "did you mean" not in caught.value.fix


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"epochs": 2.5},
        {"lr": -1},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"optimiser": "adam"},
        {"momentum": 1},
        {"batch_size": "many"},
        {"augment": False},
        {"seed": -1},
        {"clip_norm": 0},
    ],
)
def test_an_impossible_value_is_named(change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(SettingsError, match=f"^{name} = ") as caught:
        TrainSettings.make(change)
    assert caught.value.fix == f"change {name}"


def test_settings_cannot_be_changed_but_copied() -> None:
    settings = TrainSettings.make()
    with pytest.raises(ValidationError):
        settings.lr = 1.0  # type: ignore[misc]
    other = settings.but(lr=0.5, clip_norm=None)
    assert (other.lr, other.clip_norm, settings.lr) == (0.5, None, 2e-3)
    with pytest.raises(SettingsError):
        settings.but(lr=-1)


def test_number_of_updates() -> None:
    settings = TrainSettings.make({"epochs": 3, "batch_size": 10})
    assert (settings.updates_per_epoch(25), settings.n_updates(25)) == (3, 9)
    assert (settings.updates_per_epoch(20), settings.updates_per_epoch(1), settings.updates_per_epoch(0)) == (2, 1, 1)
    assert settings.but(updates=7).n_updates(25) == 7


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-1E+3", -1000.0),
        (".5e1", 5.0),
        ("0.01", 0.01),
        ("3", 3),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("off", "off"),
        ("no", "no"),
        ("none", "none"),
        ("small_cnn", "small_cnn"),
        ("'1e-4'", "1e-4"),
        ("'3'", "3"),
        ("nan", "nan"),
        ("[1e-3, 0.1, a]", [1e-3, 0.1, "a"]),
        ("light:1,2|dark:3", "light:1,2|dark:3"),
        ("a=b", "a=b"),
    ],
)
def test_assignments_are_read_as_a_person_means_them(text: str, value: object) -> None:
    (read,) = parse_assignments([f" key ={text}"]).items()
    assert read == ("key", value)
    assert type(read[1]) is type(value)


@pytest.mark.parametrize("amp", ["off", "bf16"])
def test_words_that_old_yaml_takes_for_false(amp: str) -> None:
    settings = TrainSettings.make(parse_assignments([f"amp={amp}", "deterministic=no", "clip_norm=null"]))
    assert (settings.amp, settings.deterministic, settings.clip_norm) == (amp, False, None)


@pytest.mark.parametrize(
    ("pair", "words"), [("lr", "key=value"), ("=3", "key=value"), ("  =3", "key=value"), ("a=[1", "Cannot read")]
)
def test_unreadable_assignments(pair: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse_assignments([pair])


def test_later_assignments_win() -> None:
    assert parse_assignments(["a=1", "b=2", "a=3"]) == {"a": 3, "b": 2}
    assert parse_assignments([]) == {}


def test_settings_survive_a_file(tmp_path: Path) -> None:
    settings = TrainSettings.make({"lr": 1e-5, "amp": "off", "clip_norm": None, "updates": 12})
    write_config(tmp_path / "config.yaml", settings.model_dump())
    assert TrainSettings.make(read_config(tmp_path / "config.yaml")) == settings


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(-1e9, 1e9)
    | st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(
    values=st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
        _plain | st.sampled_from(["1e-4", "no", "off", "1", ".5", "null"]),
        min_size=1,
        max_size=4,
    )
)
def test_any_settings_survive_a_file(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    write_config(path, values)
    assert read_config(path) == values


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [1", "as YAML"),
        (b"- 1\n- 2\n", "holds no settings"),
        (b"", "holds no settings"),
        (b"\xff\xfe\x00a", "as YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "as YAML"),
    ],
)
def test_a_file_that_is_no_settings(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No file"):
        read_config(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match="Cannot read"):
        read_config(tmp_path)
