"""What every adapter of a published set keeps to, tried on a miniature of the published layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from everygroup.cli.main import app
from everygroup.cohort import split_cohort
from everygroup.cohort.groups import as_category
from everygroup.datasets import prepare_published, read_cohort
from everygroup.datasets.published import ADAPTERS, Adapter, Published, adapter_of
from everygroup.errors import CohortError

EACH = pytest.mark.parametrize("name", sorted(ADAPTERS))
NO_VALUES = {"-1", "-9", "unk", "unknown", "not reported", "not available", "nan", "none", ""}
Miniature = Callable[[str], Path]


def read(name: str, folder: Path) -> tuple[Adapter, Published]:
    adapter = adapter_of(name)
    return adapter, adapter.read(folder)


def contents(folder: Path) -> Iterator[tuple[str, int, int]]:
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns


def test_every_miniature_belongs_to_an_adapter() -> None:
    drawn = {p.stem for p in (Path(__file__).parent / "miniatures").glob("*.py")}
    assert drawn == set(ADAPTERS)


@EACH
def test_the_record_says_what_a_user_must_know(name: str) -> None:
    info = adapter_of(name).info
    assert info.name == name
    for field in ("title", "modality", "task", "citation", "licence", "access", "unit"):
        assert getattr(info, field).strip(), field
    assert info.files, "what a raw folder holds"
    assert info.access.split()[0].strip(":,;") in {"open", "registration", "credentialed", "application"}
    for column, counts in info.counts.items():
        assert counts and all(n > 0 for n in counts.values()), column
        assert info.n_images is None or sum(counts.values()) <= info.n_images, column


@EACH
def test_the_table_is_tidy(name: str, miniature: Miniature) -> None:
    adapter, found = read(name, miniature(name))
    table, info = found.table, adapter.info
    assert table.index.equals(pd.RangeIndex(len(table)))
    assert not table.columns.duplicated().any()
    needed = {"image_id", "image", info.unit, *info.attributes, *(rule.column for rule in adapter.label_maps)}
    assert needed <= set(table.columns)
    assert "label" not in table.columns, "everygroup prepare makes this column; give the source's another name"
    for column in ("image_id", "image"):
        assert table[column].map(type).eq(str).all() and table[column].is_unique, column
    assert found.path.is_file() and found.images.exists()
    assert set(info.counts) <= set(table.columns)
    units = [as_category(v) for v in table[info.unit]]
    if info.unit != "image_id":
        known = [u for u in units if u is not None]
        assert len(known) > len(set(known)), "let a patient or lesion of the miniature have two images"


@EACH
def test_missing_stays_missing(name: str, miniature: Miniature) -> None:
    adapter, found = read(name, miniature(name))
    missing = 0
    for column in adapter.info.attributes:
        values = found.table[column]
        missing += int(values.isna().sum())
        texts = {str(v).strip().casefold() for v in values.dropna()}
        assert not texts & NO_VALUES, f"{column} holds a word for 'missing'"
        assert not any(v < 0 for v in values.dropna() if isinstance(v, (int, float))), column
    assert missing or not adapter.info.attributes, "let the miniature have a missing attribute"


@EACH
def test_label_maps_are_total_and_named(name: str, miniature: Miniature) -> None:
    adapter, found = read(name, miniature(name))
    assert adapter.label_maps
    names = [rule.name for rule in adapter.label_maps]
    assert len(set(names)) == len(names) and adapter.label_map().name == names[0]
    for rule in adapter.label_maps:
        assert rule.version >= 1 and len(rule.classes) >= 2
        assert all(as_category(c) == c for c in rule.classes), "a class that reads as missing or as a number"
        labels = rule.apply(found.table[rule.column], where=name)
        assert len({c for c in labels if c is not None}) >= 2, f"the miniature shows one class of {rule.name}"
        with pytest.raises(CohortError, match="row 2"):
            rule.apply(["no such value"], where=name)
    with pytest.raises(CohortError, match="label map"):
        adapter.label_map("no such map")


@EACH
def test_reading_changes_nothing_and_repeats_itself(name: str, miniature: Miniature) -> None:
    folder = miniature(name)
    before = list(contents(folder))
    _, first = read(name, folder)
    _, again = read(name, folder)
    assert list(contents(folder)) == before
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.notes == again.notes


@EACH
def test_a_wrong_folder_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(CohortError, match=folder.name):
            adapter_of(name).read(folder)


@EACH
def test_prepared_checked_and_opened_again(name: str, miniature: Miniature, tmp_path: Path) -> None:
    adapter, found = read(name, miniature(name))
    folder, out = tmp_path / "raw" / name, tmp_path / "cohort"
    prepare_published(name, folder, out, image_size=8)
    group = next(iter(adapter.info.attributes), "label")
    cohort, again = read_cohort(out, group=group), read_cohort(out, group=group)
    assert again.content_hash == cohort.content_hash
    rule = adapter.label_map()
    kept = found.table[~found.table["image_id"].isin(list(adapter.drops))]
    labels = dict(zip(kept["image_id"], rule.apply(kept[rule.column], where=name), strict=True))
    wanted = {i: label for i, label in labels.items() if label is not None}
    assert dict(zip(cohort.ids, (cohort.classes[k] for k in cohort.y), strict=True)) == wanted
    before = kept.set_index("image_id").loc[list(cohort.ids)]
    for column in {*adapter.info.attributes, adapter.info.unit} - {"image_id"}:
        assert [as_category(v) for v in cohort.table[column]] == [as_category(v) for v in before[column]], column

    about = cohort.provenance
    for field in ("name", "title", "licence", "access", "citation"):
        assert about[field] == getattr(adapter.info, field)
    assert about["label_map"] | {"name": rule.name, "version": rule.version} == about["label_map"]
    assert len(about["table_hash"]) == 32
    assert about["left_out"]["known_bad"] == len(found.table) - len(kept)
    assert about["left_out"]["by_label_map"] + about["left_out"]["without_label"] == len(kept) - len(cohort)

    split = split_cohort(cohort)
    parts = [set(getattr(split, part).units) for part in ("train", "validation", "test")]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    if adapter.info.unit != "image_id":
        assert len(set(cohort.units)) < len(cohort)
    cuts = ["--bins", "age=50"] if group == "age" and len(set(cohort.table["age"].dropna())) > 12 else []
    result = CliRunner().invoke(app, ["check", str(out), "--group", group, *cuts])
    assert result.exit_code == 0, result.output
    assert f"{name}: {len(cohort)} images" in result.output
