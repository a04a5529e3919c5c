"""When is SPARE worth its cost: a map against in-group size, shift and label noise, and what advice is worth.

    python benchmarks/when_spare_helps.py --run vectors images advice --write

Two parts: the rotating-sectors toy (vectors, linear models, as benchmarks/toy.py) and the simulated cohort (images of
16 px, small_cnn). In each cell and seed the target group's best baseline (ERM or GroupModel) and the SPARE variant
'chosen' are chosen on the target group's validation samples, whose labels are as noisy as those trained on; the test
samples are the target group's, with clean labels, and only measured. Finished cells are kept in --out, one row a cell
and seed, so that a stopped run goes on where it was. The advice of `everygroup advise` is asked on the same training
and validation samples and compared with what training then showed.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from common import ROOT, describe_machine
from toy import BATCH, N_OUT, STEPS, closed_form, train_group_predictor, train_linear
from when_spare_helps_page import write_page

from everygroup.boundary import minimal_perturbation
from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.datasets.simulated import dermatology
from everygroup.datasets.toy import CLASSES, N_FEATURES, Toy, rotating_sectors
from everygroup.files import atomic_path
from everygroup.methods import Lab
from everygroup.metrics import macro_f1
from everygroup.networks import predict_outputs
from everygroup.settings import TrainSettings
from everygroup.spare import spare_weights

KEYS = ["n_in", "shift", "noise", "seed"]
PAPER, MEDIAN = (0.5, "none", 1.0), (0.0, "median", 0.3)  # (alpha, scale, temperature)
VECTOR_GRID: dict[str, tuple[Any, ...]] = {
    "n_in": (20, 40, 80, 160, 320),
    "shift": (0.0, 0.4, 0.8, 1.6),
    "noise": (0.0, 0.1, 0.2),
}
VECTOR_CANDIDATES = [PAPER, *itertools.product((0.0, 0.25, 0.5, 0.75, 1.0), ("median",), (0.1, 0.3, 1.0, 3.0))]
IMAGE_GRID: dict[str, tuple[Any, ...]] = {"noise": (0.0, 0.2), "n_in": (40, 120, 360), "shift": (0.0, 0.8, 1.6)}
IMAGE_CANDIDATES = [PAPER, MEDIAN, (0.5, "median", 0.3)]
IMAGE_OUT, IMAGE_TEST, IMAGE_CURVE, IMAGE_SIDE = 800, 800, 200, 16
DOUBLED = {"n_in": 120, "shift": 0.8, "noise": 0.0}  # the cell that is trained again with twice the updates
PREDICTOR_STEPS = 4 * STEPS  # with 400 steps the predictor of the rarest groups finds no sample in the group
FOLDER = ROOT / "docs" / "results" / "when-spare-helps"
TARGET = {"vectors": "in", "images": "dark"}


# ---- choosing and measuring -----------------------------------------------------------------------------------------


def score(y: np.ndarray, logits: np.ndarray, n_classes: int) -> tuple[float, float]:
    """Return macro F1 and minus the log-loss; candidates are ranked by the first, ties by the second."""
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    value = macro_f1(y, logits.argmax(1), classes=range(n_classes)).value
    return float(value), float(log_p[np.arange(len(y)), y].mean())


def outcome(validation: Mapping[str, tuple[float, float]], test: Mapping[str, float]) -> dict[str, Any]:
    """Return the row of a cell: choices made on validation scores, and the test scores of what was chosen."""

    def best(names: list[str]) -> str:
        return max(names, key=lambda name: validation[name])  # the first among equals

    candidates = [name for name in validation if name not in ("erm", "group_model")]
    baseline, chosen, any_of_all = best(["erm", "group_model"]), best(candidates), best(list(validation))
    return {
        **{name: test[name] for name in ("erm", "group_model")},
        "paper": test[name_of(PAPER)],
        "median": test[name_of(MEDIAN)],
        "chosen": test[chosen],
        "everything": test[any_of_all],
        "baseline": test[baseline],
        "baseline_name": baseline,
        "chosen_name": chosen,
        "everything_name": any_of_all,
    }


def name_of(candidate: tuple[float, str, float]) -> str:
    alpha, scale, temperature = candidate
    return f"spare {alpha:g} {scale} {temperature:g}"


# ---- vectors --------------------------------------------------------------------------------------------------------


def noisy(cohort: Cohort, rate: float, seed: int) -> Cohort:
    """Return a vector cohort in which a share of the labels is replaced by another class, drawn at random."""
    rng = np.random.default_rng([seed, 7])
    replaced, other = rng.random(len(cohort)), rng.integers(1, len(CLASSES), len(cohort))
    y = np.where(replaced < rate, (cohort.y + other) % len(CLASSES), cohort.y)
    return Cohort.from_arrays(
        cohort.images,
        y,
        sensitive_features={"group": [cohort.groups[g] for g in cohort.group]},
        classes=CLASSES,
        groups=cohort.groups,
        ids=list(cohort.ids),
    )


def vector_data(n_in: int, shift: float, noise: float, seed: int) -> Toy:
    """Return training and validation samples with noisy labels and a clean test set; 3:1 as in a 6:2:2 split."""
    toy = rotating_sectors(n_in, N_OUT, shift, n_validation=round(n_in / 3), seed=seed)
    assert toy.validation is not None
    validation = noisy(toy.validation, noise, 10_000 + seed)
    return replace(toy, train=noisy(toy.train, noise, seed), validation=validation)


@functools.lru_cache(maxsize=1)
def vector_similarity(n_in: int, seed: int) -> np.ndarray:
    """Similarity distances; the toy's vectors do not depend on shift or noise, so neither does the predictor."""
    train = rotating_sectors(n_in, N_OUT, 0.0, seed=seed).train
    x, group = torch.from_numpy(train.images), torch.from_numpy(train.group)
    torch.manual_seed(seed)
    batches = torch.randint(len(x), (PREDICTOR_STEPS, BATCH))
    predictor = train_group_predictor(x, group, batches)
    return np.asarray(minimal_perturbation(predictor, x, target=0, preset="fast").distance)


def vector_cell(n_in: int, shift: float, noise: float, seed: int) -> dict[str, Any]:
    """Train ERM, GroupModel and every candidate on the toy: the same steps, batches and initial weights."""
    toy = vector_data(n_in, shift, noise, seed)
    assert toy.validation is not None
    x, y = torch.from_numpy(toy.train.images), torch.from_numpy(toy.train.y)
    torch.manual_seed(seed)
    start = torch.nn.Linear(N_FEATURES, len(CLASSES))
    batches, own_batches = torch.randint(len(y), (STEPS, BATCH)), torch.randint(n_in, (STEPS, BATCH))
    w0, b0 = train_linear(x, y, torch.ones(1, len(y)), own_batches, start)  # in-group samples come first
    utility = closed_form(x, w0[0], b0[0, 0]).numpy()
    similarity = vector_similarity(n_in, seed)
    weights = [np.ones(len(y))]
    for alpha, scale, temperature in VECTOR_CANDIDATES:
        weights.append(spare_weights(utility, similarity, alpha=alpha, scale=scale, temperature=temperature))
    stacked = torch.from_numpy(np.stack([w / w.mean() for w in weights])).float()
    w, b = train_linear(x, y, stacked, batches, start)
    w, b = torch.cat([w0, w]), torch.cat([b0, b])
    names = ["group_model", "erm", *map(name_of, VECTOR_CANDIDATES)]

    def scores(part: Cohort) -> dict[str, tuple[float, float]]:
        logits = (torch.matmul(torch.from_numpy(part.images), w.transpose(1, 2)) + b).double().numpy()
        found = {name: score(part.y, z, len(CLASSES)) for name, z in zip(names, logits, strict=True)}
        return {"erm": found.pop("erm"), **found}  # the first among equals is the cheapest

    return outcome(scores(toy.validation), {k: v[0] for k, v in scores(toy.test).items()})


def vector_split(n_in: int, shift: float, noise: float, seed: int) -> Split:
    """Return what advice may see of a vector cell; out-of-group samples all stand in the training part."""
    toy = vector_data(n_in, shift, noise, seed)
    assert toy.validation is not None
    return Split(toy.train, toy.validation, toy.test, table=pd.DataFrame(), hash="")


# ---- images ---------------------------------------------------------------------------------------------------------


def image_split(n_in: int, shift: float, noise: float, seed: int) -> Split:
    """Return noisy training and validation parts with about n_in dark training images; the test part is fresh."""
    n = round((IMAGE_OUT + n_in) / 0.6)
    options: dict[str, Any] = {"image_size": IMAGE_SIDE, "presentation_shift": shift}
    world = dermatology(n, seed=seed, tone_fractions=(IMAGE_OUT, n_in), label_noise=noise, **options)
    split = split_cohort(world.cohort, seed=seed)
    wanted = IMAGE_CURVE + IMAGE_TEST
    fresh = dermatology(round(wanted / 0.9), seed=10_000 + seed, tone_fractions=(0.1, 0.9), **options)
    test = fresh.cohort.in_group("dark").where(np.arange(wanted))
    return replace(split, test=test.with_units([f"fresh {unit}" for unit in test.units]))


def image_cell(n_in: int, shift: float, noise: float, seed: int, *, updates: int) -> dict[str, Any]:
    """Train ERM, the dark group's model, the group predictor and every candidate; the last update's network counts."""
    split = image_split(n_in, shift, noise, seed)
    curve, test = split.test.where(np.arange(IMAGE_CURVE)), split.test.where(np.arange(IMAGE_CURVE, len(split.test)))
    validation = split.validation.in_group("dark")
    settings = TrainSettings.make(
        {"updates": updates, "batch_size": 32, "lr": 4e-3, "selection": "last", "schedule": "linear"}
        | {"augment": "flip", "seed": seed, "device": "cpu"}
    )
    lab, curves = Lab(split.train, curve, settings), {}

    def fit(name: str, **how: Any) -> Any:
        trained = lab.train_network(name=name, **how)
        f1 = [record["validation_macro_f1"] for record in trained.log]
        curves[f"curve {name}"] = float(np.mean(f1[-3:]) - np.mean(f1[-6:-3]))
        return trained

    index = split.train.groups.index("dark")
    own = fit("group_model", where=split.train.group == index)
    networks = {"erm": fit("erm"), "group_model": own}
    predictor = Lab(split.train, split.validation, settings).group_predictor()
    utility = lab.distances(own.network, preset="fast").distance
    similarity = lab.distances(predictor.network, preset="fast", target=index).distance
    for candidate in IMAGE_CANDIDATES:
        alpha, scale, temperature = candidate
        w = spare_weights(utility, similarity, alpha=alpha, scale=scale, temperature=temperature)
        name = name_of(candidate)
        networks[name] = fit(name, weights=w / w.mean())

    def scores(part: Cohort) -> dict[str, tuple[float, float]]:
        classes = len(part.classes)
        return {
            name: score(part.y, predict_outputs(trained.network, part).double().numpy(), classes)
            for name, trained in networks.items()
        }

    result = outcome(scores(validation), {k: v[0] for k, v in scores(test).items()})
    return {**result, **curves, "n_dark_train": len(split.train.in_group("dark")), "n_dark_validation": len(validation)}


# ---- advice ---------------------------------------------------------------------------------------------------------


def advice_cell(part: str, n_in: int, shift: float, noise: float, seed: int) -> dict[str, Any]:
    """Ask for advice on a cell's training and validation samples."""
    from everygroup.advise.advice import advise

    make = vector_split if part == "vectors" else image_split
    found = advise(make(n_in, shift, noise, seed), groups=[TARGET[part]], seed=seed, curve=False, timed=False)
    advice = found.groups[0]
    return {
        "verdict": advice.verdict,
        **{
            f"{name} {of}": getattr(c, of) for name, c in advice.contrasts.items() for of in ("f1", "f1_low", "f1_high")
        },
        **{f"{name} loss": c.loss for name, c in advice.contrasts.items()},
        "detectable": advice.detectable,
    }


# ---- running --------------------------------------------------------------------------------------------------------


def cells(grid: Mapping[str, tuple[Any, ...]], seeds: int) -> Iterator[dict[str, Any]]:
    """Yield the cells, seed by seed, so that a stopped run has whole maps of the first seeds."""
    for seed in range(seeds):
        for values in itertools.product(*grid.values()):
            yield dict(zip([*grid, "seed"], (*values, seed), strict=True))


def complete(
    path: Path, wanted: Iterator[dict[str, Any]], measure: Callable[..., dict[str, Any]], *, minutes: float
) -> pd.DataFrame:
    """Measure the cells that the file does not hold yet, and keep it up to date after each."""
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    done = {tuple(float(row[k]) for k in KEYS) for row in rows}
    started = time.perf_counter()
    for cell in wanted:
        if tuple(float(cell[k]) for k in KEYS) in done:
            continue
        if time.perf_counter() - started > 60 * minutes:
            print(f"{path.name}: stopped after {minutes:g} minutes with {len(rows)} rows", flush=True)
            break
        before = time.perf_counter()
        rows.append({**cell, **measure(**cell), "seconds": round(time.perf_counter() - before, 2)})
        with atomic_path(path) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        print(f"{path.name} {cell}: {rows[-1]['seconds']} s", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", nargs="*", default=[], choices=["vectors", "images", "advice"], help="parts to complete"
    )
    parser.add_argument("--seeds", type=int, default=10, help="seeds of the vector part")
    parser.add_argument("--image-seeds", type=int, default=3)
    parser.add_argument("--advice-seeds", type=int, default=3, help="seeds of the vector part that advice is asked on")
    parser.add_argument("--updates", type=int, default=500, help="updates of every network of the image part")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop each part after so many minutes")
    parser.add_argument("--out", default=str(FOLDER), help="folder of the rows, tables and figures")
    parser.add_argument("--write", action="store_true", help="write docs/results/when-spare-helps.md, .csv and figures")
    parser.add_argument("--note", default="", help="a reading of the figures, put at the top of the page")
    options = parser.parse_args()
    torch.set_num_threads(1)
    out, minutes = Path(options.out), options.minutes
    if "vectors" in options.run:
        complete(out / "vectors.csv", cells(VECTOR_GRID, options.seeds), vector_cell, minutes=minutes)
    if "images" in options.run:
        images = functools.partial(image_cell, updates=options.updates)
        complete(out / "images.csv", cells(IMAGE_GRID, options.image_seeds), images, minutes=minutes)
        twice = ({**DOUBLED, "seed": seed} for seed in range(options.image_seeds))
        longer = functools.partial(image_cell, updates=2 * options.updates)
        complete(out / "images-twice.csv", twice, longer, minutes=minutes)
    if "advice" in options.run:
        for part, grid, seeds in (
            ("images", IMAGE_GRID, options.image_seeds),
            ("vectors", VECTOR_GRID, options.advice_seeds),
        ):
            asked = functools.partial(advice_cell, part)
            complete(out / f"advice-{part}.csv", cells(grid, seeds), asked, minutes=minutes)
    if options.write:
        write_page(out, options.updates, describe_machine(), options.note)


if __name__ == "__main__":
    main()
