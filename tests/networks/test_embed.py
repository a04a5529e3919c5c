"""embed: the same features as the network's, resumable, with everything a cohort has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, split_cohort
from everygroup.datasets import simulated
from everygroup.datasets.reader import read_cohort
from everygroup.errors import CohortError, OutputError, SettingsError
from everygroup.methods import create_method
from everygroup.networks import NetworkSpec, build_network
from everygroup.networks import embed as room
from everygroup.networks.embed import embed
from everygroup.settings import TrainSettings

BACKBONE = "test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulated.dermatology(150, image_size=32, seed=1).cohort


def test_holds_the_networks_features_and_the_whole_table(cohort: Cohort, tmp_path: Path) -> None:
    embed(cohort, tmp_path / "e", backbone=BACKBONE, pretrained=False)
    again = read_cohort(tmp_path / "e")
    assert (again.groups, again.classes, again.split_by) == (cohort.groups, cohort.classes, cohort.split_by)
    np.testing.assert_array_equal(again.ids, cohort.ids)
    np.testing.assert_array_equal(again.y, cohort.y)
    assert set(cohort.table) <= set(again.table)
    assert again.images.dtype == np.float16
    torch.manual_seed(0)
    network = build_network(NetworkSpec(BACKBONE, 2, (32, 32, 3))).eval()
    with torch.inference_mode():
        x = torch.from_numpy(cohort.batch(slice(0, 8))).permute(0, 3, 1, 2).float() / 255
        wanted = network.features(x).numpy()
    found = again.batch(slice(0, 8))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-3)
    about = again.provenance["embedding"]
    assert (about["backbone"], about["weights"], about["image_size"]) == (BACKBONE, "random", 32)
    assert not (tmp_path / "e" / ".pieces").exists()
    split = split_cohort(again)
    model = create_method("pca(n=8) + mixture").fit(
        split.train, split.validation, settings=TrainSettings.make({"selection": "loss"})
    )
    assert model.backbone == "linear"


def test_views_are_averaged(cohort: Cohort, tmp_path: Path) -> None:
    few = cohort.where(np.arange(40))
    mirrored = few.with_images(np.ascontiguousarray(few.batch(slice(None))[:, :, ::-1]))
    parts = [
        read_cohort(embed(c, tmp_path / n, backbone=BACKBONE, pretrained=False))
        for c, n in ((few, "a"), (mirrored, "b"))
    ]
    two = read_cohort(embed(few, tmp_path / "c", backbone=BACKBONE, pretrained=False, views=2))
    mean = (parts[0].batch(slice(None)) + parts[1].batch(slice(None))) / 2
    np.testing.assert_allclose(two.batch(slice(None)), mean, atol=5e-3, rtol=5e-3)


def test_a_stopped_run_goes_on_and_computes_nothing_twice(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_CHUNK", 40)
    real, calls = room._features, []

    def stopping(network, cohort, part, *rest):  # type: ignore[no-untyped-def]
        calls.append(part.start)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(network, cohort, part, *rest)

    monkeypatch.setattr(room, "_features", stopping)
    with pytest.raises(KeyboardInterrupt):
        embed(cohort, tmp_path / "e", backbone=BACKBONE, pretrained=False)
    calls.append(-1)
    embed(cohort, tmp_path / "e", backbone=BACKBONE, pretrained=False)
    assert calls == [0, 40, 80, -1, 80, 120]
    monkeypatch.setattr(room, "_features", real)
    whole = embed(cohort, tmp_path / "w", backbone=BACKBONE, pretrained=False)
    np.testing.assert_array_equal(read_cohort(whole).images, read_cohort(tmp_path / "e").images)


def test_refuses_what_it_cannot_do(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="3 views"):
        embed(cohort, tmp_path / "e", backbone=BACKBONE, views=3)
    embedded = embed(cohort.where(np.arange(30)), tmp_path / "e", backbone=BACKBONE, pretrained=False)
    with pytest.raises(CohortError, match="Only images"):
        embed(read_cohort(embedded), tmp_path / "f", backbone=BACKBONE)
    with pytest.raises(OutputError, match="another cohort"):
        embed(cohort.where(np.arange(31)), tmp_path / "e", backbone=BACKBONE, pretrained=False)


def test_a_finished_folder_is_recognised_and_nothing_is_computed(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    embed(cohort, tmp_path / "e", backbone="small_cnn", pretrained=False)
    before = (tmp_path / "e" / "images.npy").stat().st_mtime_ns
    monkeypatch.setattr("everygroup.networks.embed._features", None)
    embed(cohort, tmp_path / "e", backbone="small_cnn", pretrained=False)
    assert (tmp_path / "e" / "images.npy").stat().st_mtime_ns == before
    assert "already" in capsys.readouterr().err


def test_what_a_kill_left_is_passed_over(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everygroup.networks.embed._CHUNK", 16)
    whole = embed(cohort, tmp_path / "whole", backbone="small_cnn", pretrained=False)
    monkeypatch.setattr("everygroup.networks.embed.save_cohort", None)
    with pytest.raises(TypeError):
        embed(cohort, tmp_path / "e", backbone="small_cnn", pretrained=False)
    monkeypatch.undo()
    monkeypatch.setattr("everygroup.networks.embed._CHUNK", 16)
    (pieces,) = (tmp_path / "e" / ".pieces").iterdir()
    (pieces / ".000000016.0123456789ab.npy").write_bytes(b"half a file")
    again = embed(cohort, tmp_path / "e", backbone="small_cnn", pretrained=False)
    first, second = (np.load(folder / "images.npy") for folder in (whole, again))
    np.testing.assert_array_equal(first, second)
    assert not (tmp_path / "e" / ".pieces").exists()


def test_it_is_a_function_of_the_package() -> None:
    import everygroup

    assert everygroup.embed is embed
