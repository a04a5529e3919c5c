"""How networks are trained: one frozen, validated record, shared by every method of a comparison."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from everygroup.errors import SettingsError

M = TypeVar("M", bound=BaseModel)

PRESETS: dict[str, dict[str, Any]] = {
    # Fast and reliable on small images; the default.
    "standard": {},
    # For a first look.
    "quick": {"epochs": 8, "lr": 4e-3},
    # Xu et al. 2026 (SPARE): SGD, learning rate 1e-4, batch 128, 200 epochs, 128 px, ResNet-18. Momentum and weight
    # decay are not stated there; these are the values of the same laboratory's public code.
    "paper": {
        "backbone": "resnet18",
        "optimiser": "sgd",
        "lr": 1e-4,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 1e-4,
        "schedule": "constant",
        "warmup": 0.0,
        "clip_norm": None,
        "epochs": 200,
        "batch_size": 128,
    },
    # Pretrained networks: few passes, smaller steps below the head, running statistics held, the head alone at first.
    "finetune": {
        "pretrained": True,
        "epochs": 4,
        "batch_size": 32,
        "lr": 3e-4,
        "layer_decay": 0.8,
        "head_warmup": 0.1,
        "batch_norm": "frozen",
        "weight_decay": 0.01,
        "selection": "loss",
    },
    # Only the last layer of a pretrained network learns; `everygroup embed` and linear heads do it faster.
    "linear-probe": {
        "pretrained": True,
        "epochs": 8,
        "batch_size": 64,
        "lr": 3e-3,
        "freeze": "trunk",
        "augment": "flip",
        "selection": "loss",
    },
}


class TrainSettings(BaseModel):
    """Settings of the training loop, equal for every method under comparison.

    `epochs` counts passes over the *whole* training cohort: a model trained on one group makes as many updates as one
    trained on everything, so that methods differ in their data and weights and not in their budget.
    """

    model_config = ConfigDict(title="Training", frozen=True, extra="forbid", allow_inf_nan=False)

    backbone: str = Field(
        "auto",
        description="a name of `everygroup list backbones`; auto: one that fits the target and the size of the images",
    )
    pretrained: bool = Field(
        False, description="start from pretrained weights: of an installed package, else of timm's cache or hub"
    )
    weights: str | None = Field(
        None, description="start from the weights in this file (.safetensors or .pth), whatever `pretrained` says"
    )
    small_stem: bool = Field(False, description="3x3 stride-1 stem without pooling for small images (ResNets)")
    epochs: int = Field(20, ge=1, description="passes over the whole training cohort")
    updates: int | None = Field(None, ge=1, description="number of updates; overrides epochs")
    batch_size: int = Field(128, ge=1, description="samples an update")
    optimiser: Literal["auto", "adamw", "sgd"] = Field(
        "auto", description="auto: linear heads on vectors are solved exactly, everything else is trained by adamw"
    )
    l2: list[Annotated[float, Field(gt=0)]] = Field(
        [1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001],
        min_length=1,
        description="penalties of linear heads that are solved, in units of features of mean variance 1; `selection` "
        "chooses one",
    )
    lr: float = Field(2e-3, gt=0, description="learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum (sgd)")
    nesterov: bool = Field(False, description="Nesterov momentum (sgd)")
    weight_decay: float = Field(1e-4, ge=0, description="weight decay")
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="learning rate of a stage of the backbone, in multiples of the next one's",
    )
    head_warmup: float = Field(
        0.0, ge=0, lt=1, description="share of the updates, the first ones, in which the last layer learns alone"
    )
    freeze: Literal["none", "trunk"] | Annotated[int, Field(ge=1)] = Field(
        "none", description="what is held: trunk, all but the last layer; a number, so many of the first stages"
    )
    batch_norm: Literal["train", "frozen"] = Field(
        "train", description="frozen: running statistics are held, as for small batches of a pretrained network"
    )
    schedule: Literal["cosine", "constant", "step", "linear"] = Field("cosine", description="learning-rate schedule")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the updates with a linearly rising learning rate")
    clip_norm: float | None = Field(5.0, gt=0, description="largest gradient norm; null for none")
    sampler: Literal["shuffle", "replacement", "class_balanced"] = Field("shuffle", description="how batches are drawn")
    class_weighting: Literal["none", "balanced", "sqrt"] = Field(
        "none", description="loss weight of a class: 1, 1/n_k or n_k^-1/2"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="label smoothing of the cross-entropy")
    loss: Literal["auto", "squared", "huber", "l1"] = Field(
        "auto",
        description="loss of numbers (squared, huber; in standard deviations) and of restored images (l1, squared); "
        "auto: the first of each. Every other target has one",
    )
    augment: Literal["none", "flip", "standard", "crop", "strong"] = Field(
        "standard",
        description="batched augmentation; crop: random pieces of 35 % of the area or more, at full size",
    )
    selection: str = Field("score", description="rule that chooses the epoch, on validation only")
    seed: int = Field(0, ge=0, description="seed of initial weights, batches and augmentation, and of the split")
    device: str = Field("auto", description="where networks are trained: auto, cpu, cuda, cuda:1, mps")
    amp: Literal["off", "bf16", "fp16"] = Field("off", description="mixed precision")
    channels_last: bool = Field(True, description="memory layout of the networks")
    deterministic: bool = Field(True, description="deterministic algorithms where they exist")

    @classmethod
    def make(cls, values: Mapping[str, Any] | None = None, *, preset: str = "standard") -> TrainSettings:
        """Build settings from a preset and changes to it.

        Raises
        ------
        SettingsError
            For an unknown preset or key (with the nearest name) or an impossible value.
        """
        if preset not in PRESETS:
            raise SettingsError(f"Unknown preset {preset!r}.", fix=f"choose one of {', '.join(PRESETS)}")
        return build(cls, {**PRESETS[preset], **(values or {})})

    @property
    def starts_trained(self) -> bool:
        """Whether networks start from pretrained weights."""
        return self.pretrained or self.weights is not None

    def n_updates(self, n_train: int) -> int:
        """Return the number of updates for a training cohort of `n_train` samples."""
        return self.updates or self.epochs * self.updates_per_epoch(n_train)

    def updates_per_epoch(self, n_train: int) -> int:
        """Return the number of updates between two validations: one pass over the whole training cohort."""
        return max(1, math.ceil(n_train / self.batch_size))

    def but(self, **changes: Any) -> TrainSettings:
        """Return a copy with some values changed (and validated)."""
        return build(type(self), {**self.model_dump(), **changes})


def option(
    default: Any,
    description: str,
    *,
    metavar: str = "",
    otherwise: str = "",
    flag: str = "",
    panel: str = "",
    **limits: Any,
) -> Any:
    """Return a field of a model that is also an option of the command line.

    Parameters
    ----------
    default : Any
    description : str
        What it does, as a phrase; help texts and pages of the reference are made of it.
    metavar : str
        What its value is called in help texts, such as COLUMN.
    otherwise : str
        What holds where nothing is given, in words, if the default does not say it.
    flag : str
        Its name on the command line, if that is not the field's; several are separated by blanks.
    panel : str
        The heading it stands under in help texts, if that is not its model's title.
    **limits
        Of `pydantic.Field`, such as ``ge=1``.
    """
    shown: dict[str, Any] = {"metavar": metavar, "otherwise": otherwise, "flag": flag, "panel": panel}
    return Field(default, description=description, json_schema_extra=shown, **limits)


def build(model: type[M], values: Mapping[str, Any]) -> M:
    """Validate values into a settings model, with errors a user can act on.

    Raises
    ------
    SettingsError
        That names every unknown key (with the nearest name) and every impossible value.
    """
    if unknown := [k for k in values if k not in model.model_fields]:
        raise unknown_settings(unknown, model.model_fields, fix=f"The names are: {', '.join(model.model_fields)}")
    try:
        return model(**values)
    except ValidationError as error:
        raise impossible_values(error, model) from None


def impossible_values(error: ValidationError, model: type[BaseModel]) -> SettingsError:
    """Return the error that names every impossible value and what would be possible."""
    wrong: dict[str, list[Any]] = {}
    for problem in error.errors():
        wrong.setdefault(_field(problem["loc"], model), []).append(problem)
    lines = []
    for name, problems in wrong.items():
        outermost = min(problems, key=lambda problem: len(problem["loc"]))
        said = "; or: ".join(dict.fromkeys(_said(problem) for problem in problems))
        lines.append(f"{name} = {outermost['input']!r}: {said}." if name else f"{said}.")
    return SettingsError(
        "\n".join(lines), fix=f"change {', '.join(filter(None, wrong)) or 'one of those that do not fit together'}"
    )


def _said(problem: Mapping[str, Any]) -> str:
    """Return what is wrong; of what a model itself says, without pydantic's words before it."""
    return str(problem["ctx"]["error"] if problem["type"] == "value_error" else problem["msg"])


def _field(place: Sequence[int | str], model: Any) -> str:
    """Return the dotted name of the field that an error lies in, without what pydantic calls its kinds of values."""
    names: list[str] = []
    for part in place:
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        if part not in fields:
            break
        names.append(str(part))
        model = fields[str(part)].annotation
    return ".".join(names)


def unknown_settings(unknown: Sequence[str], names: Iterable[str], *, fix: str, what: str = "setting") -> SettingsError:
    """Return the error that names unknown keys, each with the nearest of the known ones."""
    names = list(names)
    near = {key: found[0] for key in unknown if (found := difflib.get_close_matches(key, names, n=1))}
    listed = ", ".join(map(repr, unknown))
    hint = f"did you mean {', '.join(map(repr, near.values()))}? " if near else ""
    return SettingsError(f"Unknown {what}{'s' if len(unknown) > 1 else ''} {listed}.", fix=f"{hint}{fix}")


def parse_assignments(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` pairs; values are YAML scalars or lists.

    Raises
    ------
    SettingsError
        If a pair has no '=' or its value is not YAML.
    """
    import yaml

    result: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"Cannot read {pair!r}.", fix="write key=value, as in --set weight_decay=0.01")
        try:
            result[key.strip()] = yaml.load(text, _yaml_classes()[0])
        except yaml.YAMLError:
            raise SettingsError(f"Cannot read the value in {pair!r}.", fix="write a number, a word or a list") from None
    return result


def read_config(path: Path | str) -> dict[str, Any]:
    """Read a YAML file of settings.

    Raises
    ------
    SettingsError
        If the file is missing, is not YAML, or holds no mapping.
    """
    import yaml

    path = Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _yaml_classes()[0])
    except FileNotFoundError:
        raise SettingsError(f"No file {path}.", fix="check the path given to --config") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"Cannot read {path} as YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no settings.", fix="write lines such as 'epochs: 30'")
    return {str(k): v for k, v in values.items()}


def write_config(path: Path | str, values: Mapping[str, Any]) -> None:
    """Write settings as YAML, atomically."""
    import yaml

    from everygroup.files import plain, write_text

    text = yaml.dump(plain(dict(values)), Dumper=_yaml_classes()[1], sort_keys=False, allow_unicode=True)
    write_text(path, text)


@cache
def _yaml_classes() -> tuple[Any, Any]:
    """Return a safe loader and dumper that read 1e-4 as a number and 'off' as a word, as YAML 1.2 does.

    YAML 1.1, which PyYAML follows, takes the first for text and the second for false.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    class Dumper(yaml.SafeDumper):
        pass

    number = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
    for either in (Loader, Dumper):
        either.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    # The dumper keeps the older words for true and false, and so quotes them for older readers.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in Loader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile("(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    return Loader, Dumper
