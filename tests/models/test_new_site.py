"""Models at a new site: what is taken from its samples, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from everygroup.cohort import Cohort, Split
from everygroup.errors import SettingsError
from everygroup.methods import Lab, Store, create_method
from everygroup.models import RoutedModel
from everygroup.models.new_site import with_class_shares, with_statistics
from everygroup.networks.adabn import restated
from everygroup.settings import TrainSettings

from ..methods.conftest import image_settings, images

__all__ = ["image_settings", "images"]


@pytest.fixture(scope="module")
def model(images: Split, image_settings: TrainSettings) -> RoutedModel:
    return create_method("erm").fit(images.train, images.validation, settings=image_settings.but(updates=12))


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]


def test_statistics_are_those_of_the_images_layer_by_layer(model: RoutedModel, images: Split) -> None:
    network, x = model.networks["pooled"], torch.rand(40, 3, 16, 16)
    own = restated(network, x, prior=0.0)
    seen: list[torch.Tensor] = []
    for norm in norms(own):
        norm.register_forward_hook(lambda m, i, o: seen.append(o))  # type: ignore[arg-type]
    own(x)
    for norm, out in zip(norms(own), seen, strict=True):  # normalised by its own mean and variance
        torch.testing.assert_close(out.mean((0, 2, 3)), norm.bias, atol=1e-4, rtol=0)
    first, before = norms(restated(network, x, prior=120.0))[0], norms(network)[0]
    torch.testing.assert_close(
        first.running_mean, 0.75 * before.running_mean + 0.25 * norms(own)[0].running_mean, atol=1e-6, rtol=0
    )
    same = restated(network, x[:0], prior=0.0)
    assert all(
        torch.equal(a, b) for a, b in zip(same.state_dict().values(), network.state_dict().values(), strict=True)
    )


def test_the_method_does_for_groups_what_the_function_does_at_a_site(
    images: Split, image_settings: TrainSettings, model: RoutedModel
) -> None:
    settings = image_settings.but(updates=12)
    off, by_group = (
        create_method(f"adabn(samples={n})").fit(images.train, images.validation, settings=settings) for n in (0, 256)
    )
    np.testing.assert_array_equal(off.predict_proba(images.test), model.predict_proba(images.test))
    for g in images.test.groups:
        there, asked = images.validation.in_group(g), images.test.in_group(g)
        adapted = with_statistics(model, there)
        np.testing.assert_array_equal(by_group.predict_proba(asked), adapted.predict_proba(asked))
        assert not np.array_equal(adapted.predict_proba(asked), model.predict_proba(asked))


def test_a_model_without_batch_norms_is_refused(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    plain = create_method("erm").fit(two.train, two.validation, settings=vector_settings, store=shared_store)
    with pytest.raises(SettingsError, match="cannot be adapted"):
        with_statistics(plain, two.test)


def test_shares_of_classes_are_taken_without_labels(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    fit = {"settings": vector_settings, "store": shared_store}
    erm, method = (create_method(n).fit(two.train, two.validation, **fit) for n in ("erm", "label_shift"))
    answers = Lab(two.train, two.validation, **fit).answers(erm, two.validation)
    blind = Cohort.from_arrays(
        two.validation.batch(slice(None)),
        1 - two.validation.y,  # wrong throughout
        sensitive_features={"a": [two.train.groups[g] for g in two.validation.group]},
        classes=two.train.classes,
    )
    adapted = with_class_shares(erm, blind, trained=answers.mean(0))
    np.testing.assert_allclose(adapted.predict_proba(two.test), method.predict_proba(two.test))
    rare = two.validation.where(two.validation.y == 0)
    fewer = with_class_shares(erm, rare, trained=answers.mean(0))
    assert (fewer.predict_proba(two.test)[:, 1] < erm.predict_proba(two.test)[:, 1]).all()
