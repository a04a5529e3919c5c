"""Networks that give maps, images and answers about volumes: shapes at any size, features then head, repeatable."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from everygroup.errors import SettingsError
from everygroup.networks.autoencoder import VariationalAutoencoder, small_autoencoder, small_vae
from everygroup.networks.segmentation_library import smp_network
from everygroup.networks.split import Split
from everygroup.networks.unet import reconstruction_unet, small_unet
from everygroup.networks.volumes import small_resnet3d, small_unet3d

pytestmark = pytest.mark.usefixtures("one_thread")

Build = Callable[[], Split]
# builder, shape of a sample, shape of its features, shape of its output
CASES: dict[str, tuple[Build, tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "unet": (lambda: small_unet(3, 3, 4), (3, 32, 32), (4, 32, 32), (3, 32, 32)),
    "unet, odd": (lambda: small_unet(2, 1, 4), (1, 27, 13), (4, 27, 13), (2, 27, 13)),
    "unet, two levels": (lambda: small_unet(2, 1, 4, levels=2), (1, 1, 3), (4, 1, 3), (2, 1, 3)),
    "reconstruction": (lambda: reconstruction_unet(1, 2, 4), (2, 21, 16), (6, 21, 16), (1, 21, 16)),
    "autoencoder": (lambda: small_autoencoder(3, 3, (32, 32), 4, 5), (3, 32, 32), (5,), (3, 32, 32)),
    "autoencoder, odd": (lambda: small_autoencoder(1, 1, (27, 13), 4, 5), (1, 27, 13), (5,), (1, 27, 13)),
    "vae": (lambda: small_vae(3, 3, (28, 28), 4, 5), (3, 28, 28), (5,), (3, 28, 28)),
    "resnet3d": (lambda: small_resnet3d(2, 1, 2), (1, 32, 32, 32), (16,), (2,)),
    "resnet3d, odd": (lambda: small_resnet3d(3, 2, 2), (2, 19, 8, 33), (16,), (3,)),
    "unet3d": (lambda: small_unet3d(2, 1, 2), (1, 16, 16, 16), (2, 16, 16, 16), (2, 16, 16, 16)),
    "unet3d, odd": (lambda: small_unet3d(3, 2, 2), (2, 7, 9, 12), (2, 7, 9, 12), (3, 7, 9, 12)),
}
each = pytest.mark.parametrize("case", list(CASES))


def build(case: str, seed: int = 0) -> tuple[Split, Tensor]:
    make, shape, *_ = CASES[case]
    torch.manual_seed(seed)
    return make(), torch.rand(4, *shape, generator=torch.Generator().manual_seed(1))


@each
def test_shapes_and_the_two_parts(case: str) -> None:
    network, x = build(case)
    network.eval()
    with torch.inference_mode():
        features = network.features(x)
        outputs = network(x)
        assert features.shape == (4, *CASES[case][2]) and outputs.shape == (4, *CASES[case][3])
        assert torch.equal(network.head(features), outputs) and torch.isfinite(outputs).all()
        assert torch.equal(build(case)[0].eval()(x), outputs)
        assert not torch.equal(build(case, seed=1)[0].eval().features(x), features)


@each
def test_every_weight_learns_and_the_loss_falls(case: str) -> None:
    network, x = build(case)
    network.train()
    y = torch.rand(4, *CASES[case][3], generator=torch.Generator().manual_seed(2))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        outputs = network(x)
        loss = (outputs - y).square().mean()
        if isinstance(network, VariationalAutoencoder):
            mean, log_variance = network.posterior(x)
            loss = loss + 1e-3 * (mean.square() + log_variance.exp() - log_variance).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    # a network whose smallest level is a single pixel loses some weights to the batch norm: rounding remains
    assert all(w.grad is not None for w in network.parameters())
    assert losses[-1] < losses[0]
    weights = network.state_dict()
    again, _ = build(case, seed=3)
    again.load_state_dict(weights)
    assert torch.equal(again.eval()(x), network.eval()(x))


@each
def test_one_sample_alone_is_answered_as_in_a_batch(case: str) -> None:
    network, x = build(case)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(x[1:2]), network(x)[1:2])


def test_the_scaling_is_inside() -> None:
    trunk, head = nn.Identity(), nn.Identity()
    x = torch.rand(2, 3, 4, 5)
    network = Split(trunk, head, (0.1, 0.2, 0.3), (1.0, 2.0, 4.0))
    torch.testing.assert_close(network(x)[:, 2], (x[:, 2] - 0.3) / 4)
    volumes = torch.rand(2, 1, 3, 4, 5)
    torch.testing.assert_close(Split(trunk, head)(volumes), (volumes - 0.5) / 0.25)
    assert not network.state_dict()


def test_a_reconstruction_starts_as_the_image() -> None:
    x = torch.rand(2, 3, 9, 8)
    network = reconstruction_unet(2, 3, 4).eval()
    assert torch.equal(network(x), x[:, :2])
    with pytest.raises(SettingsError, match="cannot be corrected"):
        reconstruction_unet(3, 1)


def test_the_posteriors_mean_is_the_code() -> None:
    network, x = build("vae")
    assert isinstance(network, VariationalAutoencoder)
    mean, log_variance = network.eval().posterior(x)
    assert torch.equal(mean, network.features(x)) and log_variance.shape == mean.shape
    assert not torch.allclose(mean, log_variance)


def test_volumes_of_64_are_light() -> None:
    """What peers run on a GPU must run here, too: few parameters, and the features of a full volume."""
    network, segmenter = small_resnet3d(2), small_unet3d(2)
    assert sum(w.numel() for w in network.parameters()) < 600_000
    assert sum(w.numel() for w in segmenter.parameters()) < 100_000
    x = torch.rand(1, 1, 64, 64, 64)
    with torch.inference_mode():
        assert network.eval()(x).shape == (1, 2)
        assert segmenter.eval()(x).shape == (1, 2, 64, 64, 64)


class _Library:
    """Stands in for segmentation_models_pytorch: refuses sizes it cannot halve five times, as the library does."""

    class Body(nn.Module):
        def __init__(self, in_channels: int, classes: int) -> None:
            super().__init__()
            self.decoder = nn.Conv2d(in_channels, 6, 3, padding=1)
            self.segmentation_head: nn.Module = nn.Sequential(nn.Conv2d(6, classes, 3, padding=1), nn.Identity())

        def forward(self, x: Tensor) -> Tensor:
            if x.shape[2] % 32 or x.shape[3] % 32:
                raise RuntimeError("Wrong input shape")
            out: Tensor = self.segmentation_head(self.decoder(x))
            return out

    @classmethod
    def create_model(
        cls, arch: str, encoder_name: str, encoder_weights: str | None, in_channels: int, classes: int
    ) -> nn.Module:
        if encoder_name != "resnet18":
            raise KeyError(f"Wrong encoder name `{encoder_name}`")
        return cls.Body(in_channels, classes)


def test_the_librarys_networks_take_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(create_model=_Library.create_model)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", library)  # type: ignore[arg-type]
    network = smp_network("smp_unet_resnet18", 2, 1).eval()
    x = torch.rand(2, 1, 40, 33)
    with torch.inference_mode():
        assert network(x).shape == (2, 2, 40, 33)
        assert torch.equal(network.head(network.features(x)), network(x))
    with pytest.raises(SettingsError, match="cannot build 'smp_unet_resnt18'"):
        smp_network("smp_unet_resnt18", 2)
    for name in ("smp_unet", "smp_deeplabv3_resnet18", "unet_resnet18"):
        with pytest.raises(SettingsError, match="Unknown backbone"):
            smp_network(name, 2)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(SettingsError, match="segmentation-models-pytorch") as caught:
        smp_network("smp_unet_resnet18", 2)
    assert "everygroup[segmentation]" in caught.value.fix


@pytest.mark.parametrize("name", ["smp_unet_resnet18", "smp_linknet_mobilenet_v2"])
def test_the_real_library(name: str) -> None:
    pytest.importorskip("segmentation_models_pytorch", exc_type=(ImportError, RuntimeError))
    network = smp_network(name, 2, 3).eval()
    x = torch.rand(1, 3, 40, 70)
    with torch.inference_mode():
        assert network(x).shape == (1, 2, 40, 70)
        torch.testing.assert_close(network.head(network.features(x)), network(x))
