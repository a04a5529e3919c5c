"""Preparing images: parallel, atomic, resumable, cached, and never silent about bad files."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from everygroup.console import clear_warnings, recorded_warnings
from everygroup.errors import EverygroupError, ImageError, OutputError, SettingsError
from everygroup.imaging import _fill, open_prepared, open_source, prepare_images, read_image, store_key
from everygroup.imaging._store import PART, PROGRESS, GrowingArray, require_space


def png(seed: int, size: int = 10) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size + 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def make_zip(path: Path, n: int, bad: Sequence[int] = ()) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(n):
            archive.writestr(f"s{i}.png", b"broken" if i in bad else png(i))
    return path


IDS = [f"s{i}" for i in range(40)]


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fill, "_TASK", 3)
    monkeypatch.setattr(_fill, "_COMMIT", 7)
    clear_warnings()


@pytest.mark.parametrize("workers", [1, 3, None])
def test_images_lie_in_the_order_of_the_ids(tmp_path: Path, workers: int | None) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 40))
    ids = IDS[::-1]
    prepared = prepare_images(source, ids, tmp_path / "out", image_size=6, workers=workers)
    assert prepared.images.shape == (40, 6, 6, 3)
    assert isinstance(prepared.images, np.memmap)
    assert not prepared.images.flags.writeable
    for k in (0, 17, 39):
        np.testing.assert_array_equal(prepared.images[k], read_image(png(39 - k), image_size=6))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"images.npy", "cohort.json", ".lock"}
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "images.npy", allow_pickle=False), prepared.images)


def test_threads_do_not_change_the_result(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 40))
    hashes = {prepare_images(source, IDS, tmp_path / str(w), image_size=5, workers=w).content_hash for w in (1, 2, 5)}
    assert len(hashes) == 1


def test_a_second_call_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "i.zip", 40)
    first = prepare_images(open_source(path), IDS, tmp_path / "out", image_size=6)
    monkeypatch.setattr("everygroup.imaging.sources.ZipImages.read", lambda *_: pytest.fail("an image was read"))
    again = prepare_images(open_source(path), IDS, tmp_path / "out", image_size=6)
    assert again.content_hash == first.content_hash
    np.testing.assert_array_equal(again.images, first.images)


def test_other_settings_need_another_folder_or_overwrite(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 40))
    prepare_images(source, IDS, tmp_path / "out", image_size=6)
    with pytest.raises(OutputError, match="other settings") as caught:
        prepare_images(source, IDS, tmp_path / "out", image_size=4)
    assert "--overwrite" in caught.value.fix
    replaced = prepare_images(source, IDS, tmp_path / "out", image_size=4, overwrite=True)
    assert replaced.images.shape == (40, 4, 4, 3)


def test_keys_tell_apart_what_matters(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 4))
    other = open_source(make_zip(tmp_path / "j.zip", 4, bad=[1]))
    keys = {
        store_key(source, IDS[:4], image_size=6),
        store_key(source, IDS[:3], image_size=6),
        store_key(source, IDS[3::-1], image_size=6),
        store_key(source, IDS[:4], image_size=5),
        store_key(source, IDS[:4], image_size=6, resize="pad"),
        store_key(source, IDS[:4], image_size=6, max_pixels=9),
        store_key(source, IDS[:4], image_size=6, fast_decode=True),
        store_key(other, IDS[:4], image_size=6),
    }
    assert len(keys) == 8
    masks = [store_key(source, IDS[:4], image_size=6, as_mask=True, fast_decode=fast) for fast in (False, True)]
    assert masks[0] == masks[1], "masks are always decoded whole"


def test_the_fast_way_is_recorded_and_one_worker_gives_what_several_give(tmp_path: Path) -> None:
    y, x = np.mgrid[:200, :300]
    with zipfile.ZipFile(tmp_path / "i.zip", "w") as archive:
        for k in range(20):
            pixels = np.stack([x * 0.8, y, (x + y + 9 * k) * 0.3], 2).astype(np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=95)
            archive.writestr(f"s{k}.jpg", stream.getvalue())
    source = open_source(tmp_path / "i.zip")
    whole = [
        prepare_images(source, IDS[:20], tmp_path / f"{workers}", image_size=16, workers=workers) for workers in (1, 3)
    ]
    assert whole[0].content_hash == whole[1].content_hash and "fast_decode" not in whole[0].record
    fast = prepare_images(source, IDS[:20], tmp_path / "fast", image_size=16, fast_decode=True)
    assert fast.record["fast_decode"] is True and fast.content_hash != whole[0].content_hash
    assert np.abs(fast.images.astype(int) - whole[0].images).max() <= 3, "the same picture"


def test_bad_images_are_named(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 39, bad=[2, 30]))
    with pytest.raises(ImageError) as caught:
        prepare_images(source, IDS, tmp_path / "out", image_size=6)
    message = str(caught.value)
    assert "3 of 40 images cannot be used" in message
    assert "row 4, id s2, file s2.png: not an image" in message
    assert "row 32, id s30, file s30.png" in message
    assert "row 41, id s39: i.zip holds no image of this name" in message
    assert "--on-bad-image skip" in message
    listed = pd.read_csv(tmp_path / "out" / "bad_images.csv")
    assert listed["id"].tolist() == ["s2", "s30", "s39"]
    assert not (tmp_path / "out" / "cohort.json").exists()


def test_bad_images_are_skipped_aloud(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 39, bad=[2, 30]))
    prepared = prepare_images(source, IDS, tmp_path / "out", image_size=6, on_bad_image="skip")
    assert prepared.images.shape == (37, 6, 6, 3)
    assert [b.id for b in prepared.bad] == ["s2", "s30", "s39"]
    np.testing.assert_array_equal(prepared.images[2], read_image(png(3), image_size=6))
    np.testing.assert_array_equal(prepared.images[-1], read_image(png(38), image_size=6))
    assert any("3 of 40 images (7.5%)" in w and "bad_images.csv" in w for w in recorded_warnings())
    assert len(pd.read_csv(tmp_path / "out" / "bad_images.csv")) == 3
    clear_warnings()
    prepare_images(source, IDS, tmp_path / "out", image_size=6, on_bad_image="skip")
    assert recorded_warnings(), "also the second time"
    with pytest.raises(ImageError, match="3 of 40"):
        prepare_images(source, IDS, tmp_path / "out", image_size=6)


def test_error_then_skip_decodes_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 40, bad=[2]))
    with pytest.raises(ImageError):
        prepare_images(source, IDS, tmp_path / "out", image_size=6)
    monkeypatch.setattr("everygroup.imaging.sources.ZipImages.read", lambda *_: pytest.fail("an image was read"))
    assert len(prepare_images(source, IDS, tmp_path / "out", image_size=6, on_bad_image="skip").images) == 39


def test_many_bad_images_stop_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fill, "_GIVE_UP", 12)  # looked at every seventh image or so
    source = open_source(make_zip(tmp_path / "i.zip", 40, bad=range(1, 40)))
    with pytest.raises(ImageError, match="where reading stopped") as caught:
        prepare_images(source, IDS, tmp_path / "out", image_size=6)
    assert "row 12, id s10" in str(caught.value)
    assert "row 13" not in str(caught.value), "ten are named, the file lists the rest"
    assert 12 <= len(pd.read_csv(tmp_path / "out" / "bad_images.csv")) < 39


def test_no_good_image_at_all(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 40, bad=range(40)))
    with pytest.raises(ImageError, match="None of the 40 images"):
        prepare_images(source, IDS, tmp_path / "out", image_size=6, on_bad_image="skip")


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "i.zip", 40, bad=[1])
    whole = prepare_images(open_source(path), IDS, tmp_path / "whole", image_size=6, on_bad_image="skip")
    read: list[str] = []
    original = _fill.read_image

    def stop(data: bytes, **options: Any) -> np.ndarray:
        read.append(options["name"])
        if options["name"] == "s30.png":
            raise KeyboardInterrupt
        return original(data, **options)

    monkeypatch.setattr(_fill, "read_image", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare_images(open_source(path), IDS, tmp_path / "out", image_size=6, on_bad_image="skip", workers=1)
    assert not (tmp_path / "out" / "images.npy").exists()
    log = tmp_path / "out" / PROGRESS
    log.write_text(log.read_text() + '{"done": 39, "ke')  # killed in the middle of a line
    read.clear()
    monkeypatch.setattr(_fill, "read_image", lambda data, **o: (read.append(o["name"]), original(data, **o))[1])
    prepared = prepare_images(open_source(path), IDS, tmp_path / "out", image_size=6, on_bad_image="skip")
    assert "s5.png" not in read
    assert "s30.png" in read
    assert prepared.content_hash == whole.content_hash
    assert [b.id for b in prepared.bad] == ["s1"]
    assert not log.exists()


def test_a_killed_process_leaves_work_that_can_go_on(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "i.zip", 40)
    script = f"""
import os, signal
from pathlib import Path
from everygroup.imaging import _fill, open_source, prepare_images
_fill._TASK, _fill._COMMIT = 3, 7
original = _fill.read_image
def die(data, **options):
    if options["name"] == "s33.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return original(data, **options)
_fill.read_image = die
prepare_images(open_source({str(path)!r}), [f"s{{i}}" for i in range(40)], Path({str(tmp_path / "out")!r}),
               image_size=6, workers=1)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert (tmp_path / "out" / PART).exists()
    read: list[str] = []
    source = open_source(path)
    original = source.read  # type: ignore[union-attr]
    source.read = lambda m: (read.append(m), original(m))[1]  # type: ignore[union-attr, method-assign]
    prepared = prepare_images(source, IDS, tmp_path / "out", image_size=6)
    assert 0 < len(read) < 40
    np.testing.assert_array_equal(prepared.images[39], read_image(png(39), image_size=6))
    np.testing.assert_array_equal(prepared.images[0], read_image(png(0), image_size=6))


def test_unfinished_work_of_something_else_is_thrown_away(tmp_path: Path) -> None:
    for key, kept in (("one", 0), ("two", 0), ("two", 2)):
        with GrowingArray(tmp_path, key, 4, (1, 1, 3)) as store:
            assert store.kept == kept
            store.append(np.ones((2, 1, 1, 3), np.uint8))
            store.commit(store.kept, [])
    (tmp_path / PART).write_bytes((tmp_path / PART).read_bytes()[:-3])  # shorter than the log says
    with GrowingArray(tmp_path, "two", 4, (1, 1, 3)) as store:
        assert store.kept == 0


def test_npz_is_copied_in_any_order(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "i.npz", images=images, ids=np.array(IDS))
    source = open_source(tmp_path / "i.npz")
    same = prepare_images(source, IDS, tmp_path / "a", image_size=6)
    np.testing.assert_array_equal(same.images, images)
    picked = prepare_images(source, ["s9", "s3", "zz", "s30"], tmp_path / "b", image_size=6, on_bad_image="skip")
    np.testing.assert_array_equal(picked.images, images[[9, 3, 30]])
    assert [b.id for b in picked.bad] == ["zz"]
    small = prepare_images(source, IDS[5:9], tmp_path / "c", image_size=3)
    assert small.images.shape == (4, 3, 3, 3)
    with pytest.raises(ImageError, match="1 of 2"):
        prepare_images(source, ["s1", "zz"], tmp_path / "d", image_size=6)
    assert len(prepare_images(source, ["s1", "zz"], tmp_path / "d", image_size=6, on_bad_image="skip").images) == 1
    shared = prepare_images(source, ["s30", "s1", "s30", "s2"], tmp_path / "e", image_size=6)
    np.testing.assert_array_equal(shared.images, images[[30, 1, 30, 2]], "rows of one image")


def test_options_are_checked(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 2))
    with pytest.raises(SettingsError, match="image size 0"):
        prepare_images(source, IDS[:2], tmp_path / "out", image_size=0)
    with pytest.raises(SettingsError, match="resize policy"):
        prepare_images(source, IDS[:2], tmp_path / "out", image_size=2, resize="zoom")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="on_bad_image"):
        prepare_images(source, IDS[:2], tmp_path / "out", image_size=2, on_bad_image="x")  # type: ignore[arg-type]


def test_a_full_disk_is_told_before_and_during(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"needs .* MiB"):
        require_space(tmp_path, 1 << 60)
    source = open_source(make_zip(tmp_path / "i.zip", 2))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("everygroup.imaging._store.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        prepare_images(source, IDS[:2], tmp_path / "out", image_size=2)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 2))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Cannot write into"):
        prepare_images(source, IDS[:2], tmp_path / "file" / "out", image_size=2)


def _damage(folder: Path, what: str) -> None:
    record = json.loads((folder / "cohort.json").read_text())
    if what == "newer":
        record["schema"] = 99
    elif what == "no key":
        del record["images"]["key"]
    elif what == "not json":
        (folder / "cohort.json").write_text("{")
        return
    elif what == "no array":
        (folder / "images.npy").unlink()
        return
    elif what == "short array":
        (folder / "images.npy").write_bytes((folder / "images.npy").read_bytes()[:-10])
        return
    elif what == "other array":
        np.save(folder / "images.npy", np.zeros((1, 2, 2, 3), np.uint8))
        return
    elif what == "pickle":
        np.save(folder / "images.npy", np.array([{}], dtype=object), allow_pickle=True)
        return
    (folder / "cohort.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("newer", "written in format 99"),
        ("no key", "damaged"),
        ("not json", "damaged"),
        ("no array", "cannot be opened"),
        ("short array", "damaged|does not fit"),
        ("other array", "does not fit"),
        ("pickle", "damaged"),
    ],
)
def test_damaged_folders_are_refused(tmp_path: Path, what: str, reason: str) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", 2))
    prepare_images(source, IDS[:2], tmp_path / "out", image_size=2)
    _damage(tmp_path / "out", what)
    with pytest.raises(EverygroupError, match=reason):
        open_prepared(tmp_path / "out")


def _prepare(path: Path, out: Path) -> None:
    prepare_images(open_source(path), IDS, out, image_size=6)


def test_two_processes_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "i.zip", 40)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_prepare, args=(path, tmp_path / "out")) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0]
    assert len(open_prepared(tmp_path / "out").images) == 40


def test_waiting_for_another_process_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fcntl = pytest.importorskip("fcntl")
    source = open_source(make_zip(tmp_path / "i.zip", 2))
    (tmp_path / "out").mkdir()
    import threading

    with (tmp_path / "out" / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        other = threading.Thread(target=lambda: prepare_images(source, IDS[:2], tmp_path / "out", image_size=2))
        other.start()
        time.sleep(0.2)
        assert not (tmp_path / "out" / "cohort.json").exists()
        fcntl.flock(handle, fcntl.LOCK_UN)
        other.join()
    assert len(open_prepared(tmp_path / "out").images) == 2
