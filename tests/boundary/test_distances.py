"""Boundary distances of a cohort: streaming, resuming and the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from everygroup import console
from everygroup.boundary import boundary_distances, minimal_perturbation
from everygroup.boundary.chunks import model_hash
from everygroup.cohort import Cohort
from everygroup.errors import SettingsError


def _cohort(n: int = 20, *, seed: int = 0, floats: bool = False) -> Cohort:
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (n, 16, 16, 3)).astype(np.uint8)
    return Cohort.from_arrays(
        images.astype(np.float32) / 255 if floats else images,
        np.arange(n) % 4,
        sensitive_features={"sex": np.where(np.arange(n) % 3 == 0, "female", "male")},
        classes=["a", "b", "c", "d"],
    )


class Counting(nn.Module):
    """Counts forward passes and breaks off after some of them."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls = 0
        self.limit: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.limit is not None and self.calls > self.limit:
            raise KeyboardInterrupt
        out: Tensor = self.inner(x)
        return out


@pytest.mark.parametrize("target", [None, 1])
def test_equals_the_function_on_arrays(cnn: nn.Module, target: int | None) -> None:
    cohort = _cohort()
    x = torch.from_numpy(cohort.batch(np.arange(20))).permute(0, 3, 1, 2).float() / 255
    direct = minimal_perturbation(cnn, x, target=target)
    streamed = boundary_distances(cnn, cohort, target=target, batch_size=7)
    assert streamed.distance.dtype == np.float64 and len(streamed) == 20
    np.testing.assert_allclose(streamed.distance, direct.distance.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(streamed.answer, direct.answer.numpy())
    np.testing.assert_allclose(streamed.per_pixel, streamed.distance / np.sqrt(3 * 16 * 16))
    assert streamed.gradient_passes == pytest.approx(direct.gradient_passes, rel=0.05)
    assert streamed.settings["target"] == target and streamed.censored == 0
    floats = boundary_distances(cnn, _cohort(floats=True), target=target, device="cpu", show_progress=False)
    np.testing.assert_allclose(floats.distance, streamed.distance, rtol=1e-4, atol=1e-6)


def test_vectors_and_labels() -> None:
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    cohort = Cohort.from_arrays(x, np.arange(30) % 2, sensitive_features={"site": ["p", "q"] * 15}, classes=["a", "b"])
    torch.manual_seed(0)
    model = nn.Linear(6, 2)
    found = boundary_distances(model, cohort, from_="label", signed=True)
    weight = (model.weight[0] - model.weight[1]).detach().numpy()
    margin = (x @ weight + float((model.bias[0] - model.bias[1]).detach())) / np.linalg.norm(weight)
    np.testing.assert_allclose(found.distance, np.where(cohort.y == 0, margin, -margin), rtol=1e-4, atol=1e-6)
    assert found.values == 6


def test_resumes_after_a_kill(cnn: nn.Module, tmp_path: Path) -> None:
    cohort = _cohort()
    whole = boundary_distances(Counting(cnn), cohort, batch_size=5, cache=tmp_path / "other")
    model = Counting(cnn)
    boundary_distances(model, cohort.where(np.arange(10)), batch_size=5)
    two_chunks = model.calls
    model = Counting(cnn)
    model.limit = two_chunks + 2
    with pytest.raises(KeyboardInterrupt):
        boundary_distances(model, cohort, batch_size=5, cache=tmp_path)
    chunks = sorted(tmp_path.rglob("chunk-*.npz"))
    assert [chunk.stem for chunk in chunks] == ["chunk-00000000-00000005", "chunk-00000005-00000010"]
    stamps = [chunk.stat().st_mtime_ns for chunk in chunks]
    rest = Counting(cnn)
    boundary_distances(rest, cohort.where(np.arange(10, 20)), batch_size=5)
    model.limit, model.calls = None, 0
    resumed = boundary_distances(model, cohort, batch_size=5, cache=tmp_path)
    assert model.calls == rest.calls
    assert stamps and not list(tmp_path.rglob("chunk-*.npz"))
    np.testing.assert_array_equal(resumed.distance, whole.distance)
    assert resumed.gradient_passes == whole.gradient_passes and resumed.key == whole.key


def test_cache_hit_is_bit_identical_and_computes_nothing(cnn: nn.Module, tmp_path: Path) -> None:
    cohort = _cohort()
    model = Counting(cnn)
    first = boundary_distances(model, cohort, cache=tmp_path, batch_size=8)
    calls = model.calls
    second = boundary_distances(model, cohort, cache=tmp_path, batch_size=3)
    assert model.calls == calls
    assert first.distance.tobytes() == second.distance.tobytes()
    assert first.flipped.tobytes() == second.flipped.tobytes() and first.key == second.key
    assert first.gradient_passes == second.gradient_passes
    for changed in (
        {"target": 1},
        {"preset": "accurate"},
        {"tolerance": 1e-3},
        {"from_": "label"},
    ):
        assert boundary_distances(model, cohort, cache=tmp_path, **changed).key != first.key  # type: ignore[arg-type]
    assert boundary_distances(model, _cohort(seed=1), cache=tmp_path).key != first.key


def test_model_hash_sees_weights_buffers_and_architecture(cnn: nn.Module) -> None:
    before = model_hash(cnn)
    assert model_hash(cnn) == before
    cnn[1].running_mean += 1
    assert model_hash(cnn) != before
    cnn[1].running_mean -= 1
    assert model_hash(nn.Sequential(nn.Linear(2, 2))) != model_hash(nn.Linear(2, 2))
    assert model_hash(nn.Sequential(nn.Flatten(), nn.ReLU())) != model_hash(nn.Sequential(nn.Flatten(), nn.GELU()))


def test_damaged_cache_is_computed_again(cnn: nn.Module, tmp_path: Path) -> None:
    cohort = _cohort(8)
    first = boundary_distances(cnn, cohort, cache=tmp_path)
    (path,) = tmp_path.rglob("distances.npz")
    path.write_bytes(path.read_bytes()[:100])
    again = boundary_distances(cnn, cohort, cache=tmp_path)
    np.testing.assert_array_equal(again.distance, first.distance)
    assert any("damaged" in line for line in console.recorded_warnings())
    np.savez(path, distance=np.zeros(3), flipped=np.zeros(3, bool), answer=np.zeros(3, np.int64), passes=np.zeros(2))
    np.testing.assert_array_equal(boundary_distances(cnn, cohort, cache=tmp_path).distance, first.distance)


def test_never_flipped_is_counted_and_said(tmp_path: Path) -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([1.0, 0.0]).expand(len(x), 2)

    found = boundary_distances(Constant(), _cohort(6), cache=tmp_path)
    assert found.censored == 6 and np.isnan(found.distance).all()
    assert any("6 of 6" in line for line in console.recorded_warnings())


def test_bad_batch_size(cnn: nn.Module) -> None:
    with pytest.raises(SettingsError, match="batch_size"):
        boundary_distances(cnn, _cohort(4), batch_size=0)
