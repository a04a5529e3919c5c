"""Atomic writes, hashes and the cache folder."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup import files
from everygroup.errors import OutputError


def test_a_write_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "note.txt"
    files.write_text(path, "grüße\n")
    files.write_text(path, "again\n")
    assert path.read_text(encoding="utf-8") == "again\n"
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


def test_a_file_is_on_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "note.txt", []

    def fsync(number: int) -> None:
        synced.append((path.exists(), os.fstat(number).st_size))

    monkeypatch.setattr(files.os, "fsync", fsync)
    files.write_text(path, "whole")
    assert synced == [(False, 5)]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    files.write_text(path, "old")
    with pytest.raises(ZeroDivisionError), files.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "Cannot write"),
        (errno.EROFS, "Cannot write"),
        (errno.ENOSPC, "No space left"),
        (errno.EDQUOT, "No space left"),
    ],
)
def test_trouble_with_the_disk_is_told_in_words(tmp_path: Path, number: int, words: str) -> None:
    path = tmp_path / "note.txt"
    with pytest.raises(OutputError, match=words) as caught, files.atomic_path(path):
        raise OSError(number, os.strerror(number))
    assert str(path) in str(caught.value)
    assert caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="table"), files.atomic_path(tmp_path / "x"):
        raise OSError(errno.EIO, "table")


def test_a_file_in_the_place_of_the_folder_and_the_reverse(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        files.write_text(tmp_path / "taken" / "note.txt", "x")
    (tmp_path / "note.txt").mkdir()
    with pytest.raises(OutputError, match="Cannot write"):
        files.write_text(tmp_path / "note.txt", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["note.txt", "taken"]


def test_json_holds_numpy_values_and_writes_nan_as_null(tmp_path: Path) -> None:
    value = {
        1: np.float32(0.5),
        "a": np.array([1.0, np.nan, np.inf]),
        "b": (np.int64(3), {"x": {2}}),
        "c": Path("runs/x"),
        "d": None,
        "e": True,
        "f": "ü",
    }
    files.write_json(tmp_path / "x.json", value)
    read = files.read_json(tmp_path / "x.json")
    assert read == {"1": 0.5, "a": [1, None, None], "b": [3, {"x": [2]}], "c": "runs/x", "d": None, "e": True, "f": "ü"}
    assert "ü" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_array_hashes_tell_values_shape_and_type_apart() -> None:
    a = np.arange(6.0).reshape(2, 3)
    different = [a, a.T, a.reshape(3, 2), a.astype(np.float32), a + 1, a[:0], np.zeros(0, np.float32)]
    assert len({files.hash_array(v) for v in different}) == len(different)
    assert files.hash_array(a[:, ::-1]) == files.hash_array(a[:, ::-1].copy())
    assert len(files.hash_array(a)) == 32


def test_text_arrays_hash_by_their_characters() -> None:
    assert files.hash_array(np.array(["a", "b"])) == files.hash_array(np.array(["a", "b"], dtype="<U9"))
    assert files.hash_array(np.array(["a", "b"])) == files.hash_array(np.array(["a", "b"], dtype=object))
    assert files.hash_array(np.array(["ab", ""])) != files.hash_array(np.array(["a", "b"]))


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_parts_cannot_run_together(first: list[bytes], second: list[bytes]) -> None:
    assert (files.hash_bytes(*first) == files.hash_bytes(*second)) == (first == second)


def test_json_hashes_ignore_the_order_of_keys_and_nothing_else() -> None:
    assert files.hash_json({"a": 1, "b": [1, 2]}) == files.hash_json({"b": (1, 2), "a": np.int64(1)})
    assert files.hash_json({"a": 1, "b": [1, 2]}) != files.hash_json({"a": 1, "b": [2, 1]})


def test_file_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    for name, content in (("a", b"x" * 100_000), ("b", b"x" * 100_000), ("c", b"x" * 99_999)):
        (tmp_path / name).write_bytes(content)
    a, b, c = (files.hash_file(tmp_path / name) for name in "abc")
    assert a == b != c
    assert len(a) == 32


def test_cache_folder_by_variable_and_by_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path
    monkeypatch.delenv("EVERYGROUP_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert files.cache_folder() == tmp_path / "xdg" / "everygroup"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert files.cache_folder() == Path.home() / ".cache" / "everygroup"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert files.cache_folder() == Path.home() / "Library" / "Caches" / "everygroup"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert files.cache_folder() == tmp_path / "everygroup" / "cache"


def test_plain_gives_what_json_takes() -> None:
    assert json.dumps(files.plain({"x": np.bool_(True), "y": frozenset({1})})) == '{"x": true, "y": [1]}'


def test_rights_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "x", "secret")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_names_that_are_not_utf8_have_a_hash() -> None:
    odd = os.fsdecode(b"caf\xe9")
    assert files.hash_array(np.array([odd], dtype=object)) != files.hash_array(np.array(["caf"], dtype=object))
    assert files.hash_json([odd]) != files.hash_json(["caf"])


def test_a_text_becomes_the_name_of_a_file() -> None:
    assert files.file_name("group_model") == files.slug("group_model") == "group_model"
    chains = [f"combat(batch=site) + adversarial(lam=0.3) + {'thresholds(sens=0.9) + ' * 5}prune(a={i})" for i in "12"]
    names = {files.file_name(text) for text in [*chains, "a(x=1)", "a[x=1]", "../a", "ä"]}
    assert (
        len(names) == 6
        and files.slug("a(x=1)") == files.slug("a[x=1]")
        and files.slug(chains[0]) == files.slug(chains[1])
    )
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,70}", name) for name in names)
