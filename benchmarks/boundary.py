"""Boundary distances against foolbox: time, gradient passes and norms, one table, one run.

    OMP_NUM_THREADS=1 python benchmarks/boundary.py --images 500 --write

Trains the package's small CNN on HAM10000 at 28 px (the simulated cohort where it is absent), then measures every
search on the same held-out images, on one thread, in CPU seconds of the process.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from everygroup.boundary import minimal_perturbation
from everygroup.datasets import simulated
from everygroup.networks.backbones import NetworkSpec, build_network

ROOT = Path(__file__).resolve().parents[1]
BOUNDS = (-1.0, 2.0)  # foolbox needs bounds; nothing comes near these, which the run checks
Search = Callable[[nn.Module, Tensor, Tensor, int | None], tuple[Tensor, Tensor]]


class Counter(nn.Module):
    """Counts images that pass forward, and backward to the images."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.forwards = self.gradients = 0

    def _backward(self, gradient: Tensor) -> None:
        self.gradients += len(gradient)

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += len(x)
        logits = self.inner(x)
        if logits.requires_grad:
            logits.register_hook(self._backward)
        return logits


def load(path: Path | None, n_images: int) -> tuple[str, Tensor, Tensor, Tensor, Tensor]:
    """Return name, training images and labels, and n_images held-out images and labels (other lesions)."""
    if path is not None and (path / "images-28.npz").exists():
        with np.load(path / "images-28.npz", allow_pickle=False) as archive:
            images, ids = archive["images"], archive["ids"]
        table = pd.read_csv(path / "metadata.csv").set_index("image_id").loc[[str(i) for i in ids]]
        name, y, unit = "HAM10000", pd.Categorical(table["label"]).codes.astype(np.int64), table["lesion_id"].to_numpy()
    else:
        cohort = simulated.dermatology(4000, image_size=28, seed=0).cohort
        images, name, y, unit = cohort.batch(np.arange(len(cohort))), "simulated cohort", cohort.y, cohort.units
    generator = np.random.default_rng(2026)
    units = generator.permutation(np.unique(unit.astype(str)))
    held = np.isin(unit.astype(str), units[: len(units) // 5])
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    test = generator.permutation(np.flatnonzero(held))[:n_images]
    train = np.flatnonzero(~held)
    labels = torch.from_numpy(y)
    return name, x[train], labels[train], x[test], labels[test]


def train(x: Tensor, y: Tensor, epochs: int, seed: int) -> nn.Module:
    """Train the small CNN."""
    torch.manual_seed(seed)
    model = build_network(NetworkSpec("small_cnn", int(y.max()) + 1, (x.shape[2], x.shape[3], x.shape[1])))
    steps = epochs * (len(x) // 128)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for step in range(steps):
        index = torch.randint(0, len(x), (128,))
        batch = x[index].flip(-1) if step % 2 else x[index]
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(batch), y[index]).backward()
        optimiser.step()
        schedule.step()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval()


def ours(**options: Any) -> Search:
    """Wrap minimal_perturbation."""

    def run(model: nn.Module, x: Tensor, answer: Tensor, target: int | None) -> tuple[Tensor, Tensor]:
        found = minimal_perturbation(model, x, target=target, **options)
        return found.distance, found.perturbation

    return run


def peer(name: str, **options: Any) -> Search:
    """Wrap a foolbox attack."""
    import foolbox

    def run(model: nn.Module, x: Tensor, answer: Tensor, target: int | None) -> tuple[Tensor, Tensor]:
        bounded = foolbox.PyTorchModel(model, bounds=BOUNDS, device="cpu")
        criterion = (
            foolbox.criteria.Misclassification(answer)
            if target is None
            else foolbox.criteria.TargetedMisclassification(torch.full_like(answer, target))
        )
        moved, _, success = getattr(foolbox.attacks, name)(**options)(bounded, x, criterion, epsilons=None)
        delta = moved - x
        norm = delta.flatten(1).norm(dim=1)
        return torch.where(success, norm, torch.nan), delta

    return run


def searches(targeted: bool) -> dict[str, Search]:
    """Return the rows of a table."""
    rows: dict[str, Search] = {
        "everygroup fast": ours(),
        "everygroup accurate": ours(preset="accurate"),
        "everygroup penalty (step 1e-3)": ours(search="penalty"),
    }
    if not targeted:
        rows["foolbox DeepFool (50 steps)"] = peer("L2DeepFoolAttack", steps=50)
    rows["foolbox DDN (50 steps)"] = peer("DDNAttack", steps=50)
    rows["foolbox DDN (200 steps)"] = peer("DDNAttack", steps=200)
    # steps in tanh space grow with the width of the bounds: three times wider, three times shorter
    rows["foolbox C&W (4 x 100 steps)"] = peer(
        "L2CarliniWagnerAttack", binary_search_steps=4, steps=100, stepsize=0.01 / 3, initial_const=1.0
    )
    if not targeted:
        rows["foolbox FMN (100 steps) [1]"] = peer("L2FMNAttack", steps=100)
    return rows


def measure(model: nn.Module, x: Tensor, target: int | None) -> pd.DataFrame:
    """Run every search on the same images and compare image by image with the smallest norm found."""
    with torch.no_grad():
        answer = model(x).argmax(1)
    if target is not None:
        x, answer = x[answer != target], answer[answer != target]
    rows, norms = [], {}
    for name, run in searches(target is not None).items():
        counter = Counter(model).eval()
        start, wall = time.process_time(), time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            norm, delta = run(counter, x, answer, target)
        seconds, wall = time.process_time() - start, time.perf_counter() - wall
        moved = x + delta
        if float(moved.min()) < BOUNDS[0] + 0.1 or float(moved.max()) > BOUNDS[1] - 0.1:
            print(f"  note: {name} came near the bounds")
        with torch.no_grad():
            reached = model(moved).argmax(1)
        good = torch.isfinite(norm) & ((reached != answer) if target is None else (reached == target))
        norms[name] = torch.where(good, norm, torch.inf)
        rows.append(
            {
                "search": name,
                "seconds per 1,000": 1000 * seconds / len(x),
                "wall seconds per 1,000": 1000 * wall / len(x),
                "gradient passes": counter.gradients / len(x),
                "forward passes": counter.forwards / len(x),
                "success": float(good.float().mean()),
                "n": len(x),
            }
        )
        print(
            f"  {name}: {1000 * seconds / len(x):.1f} s per 1,000, median {float(norms[name].median()):.4f}", flush=True
        )
    table = pd.DataFrame(rows)
    best = torch.stack(list(norms.values())).amin(0)
    table["median norm"] = [float(norm[torch.isfinite(norm)].median()) for norm in norms.values()]
    ratios = [(norm / best)[torch.isfinite(norm)] for norm in norms.values()]
    table["norm / best, median"] = [float(ratio.median()) for ratio in ratios]
    table["norm / best, 90 %"] = [float(ratio.quantile(0.9)) for ratio in ratios]
    table["rank correlation with best"] = [
        float(spearmanr(norm[torch.isfinite(norm)], best[torch.isfinite(norm)]).statistic) for norm in norms.values()
    ]
    return table


def verdicts(table: pd.DataFrame) -> list[str]:
    """Return the goals set beforehand, and whether they are met."""
    rows = table.set_index("search")
    fast, accurate, deepfool = (
        rows.loc[name] for name in ("everygroup fast", "everygroup accurate", "foolbox DeepFool (50 steps)")
    )
    lines = []
    share = fast["seconds per 1,000"] / deepfool["seconds per 1,000"]
    norm = fast["norm / best, median"]
    lines.append(_verdict(f"fast: norm {norm:.3f}x the best (goal 1.15x)", norm <= 1.15))
    lines.append(_verdict(f"fast: {share:.2f} of foolbox DeepFool's time (goal 0.25)", share <= 0.25))
    norm = accurate["norm / best, median"]
    lines.append(_verdict(f"accurate: norm {norm:.3f}x the best (goal 1.01x)", norm <= 1.01))
    peers = rows[
        rows.index.str.startswith("foolbox") & (rows["norm / best, median"] <= 1.01) & (rows["success"] > 0.99)
    ]
    if len(peers):
        quickest = peers["seconds per 1,000"].idxmin()
        share = accurate["seconds per 1,000"] / peers.loc[quickest, "seconds per 1,000"]
        text = f"accurate: {share:.2f} of the time of {quickest}, the quickest peer within 1.01x (goal 0.33)"
        lines.append(_verdict(text, share <= 1 / 3))
    else:
        lines.append(
            "- accurate: no peer came within 1.01x of the best, so the time goal has nothing to be held against."
        )
    return lines


def _verdict(text: str, met: bool) -> str:
    return f"- {text}: {'met' if met else '**missed**'}."


def page(title: list[str], untargeted: pd.DataFrame, targeted: pd.DataFrame, target: int) -> str:
    """Return the results page."""
    accurate = untargeted.set_index("search").loc["everygroup accurate"]
    rounds = (accurate["gradient passes"] + accurate["forward passes"]) / 2  # of one forward and one backward pass
    minutes = 25_000 * rounds / 2000 / 60
    lines = [
        "# Boundary distances: measured",
        "",
        *title,
        "",
        "Seconds are CPU seconds of one thread for 1,000 images. A gradient pass is one image once backward (classes "
        "count singly), a forward pass one image once forward. 'norm / best' compares image by image with the smallest "
        "norm that any search of the table found. No search clips: foolbox gets the bounds "
        f"{BOUNDS[0]:g} to {BOUNDS[1]:g}, which never bind, and C&W's step is scaled to them. Every flip was checked "
        "on the network. foolbox is untouched, so its norms are those of its last or best iterate, not bisected.",
        "",
        "## Leaving the own answer (utility distance)",
        "",
        _markdown(untargeted),
        "",
        *verdicts(untargeted),
        "",
        "[1] foolbox 3.3.4's L2FMN has a projection that does nothing; its norms are too large. It is listed because "
        "readers will look for it, not as a fair picture of the method (Pintor et al. 2021).",
        "",
        f"## Reaching class {target} (similarity distance)",
        "",
        "Only images not already answered so.",
        "",
        _markdown(targeted),
        "",
        "## What a large job would take (estimate, not measured)",
        "",
        f"`accurate` needs {accurate['gradient passes']:.1f} gradient and {accurate['forward passes']:.1f} forward "
        "passes an image. If a data-centre GPU passes about 2,000 images of 128 px a second forward and backward "
        f"through a ResNet-18 in float32 (an assumption), 25,000 images take about {minutes:.0f} minutes. No GPU was "
        "at hand for this run.",
        "",
        "## How the searches' constants were chosen",
        "",
        "On 200 images of this data set with two other networks (they may overlap with the images measured here). Two "
        "constants, the range in which linear estimates are trusted and the number of rivals in `fast`, on training "
        "images with a network of this architecture but other weights; the second after a first, unfinished run of "
        "this benchmark (again other weights) had shown `fast` at 0.35 of DeepFool's time. A trial on 40 of these "
        "images, with yet other weights, led to the rounding guard and to looking into the first. The trial and the "
        "unfinished run used the same held-out images as this table, and about 60 variants of the search were compared "
        "in all, so read ours as slightly optimistic.",
        "",
    ]
    return "\n".join(lines)


def _markdown(table: pd.DataFrame) -> str:
    formats = {
        "seconds per 1,000": "{:.1f}",
        "gradient passes": "{:.1f}",
        "forward passes": "{:.1f}",
        "success": "{:.3f}",
        "median norm": "{:.4f}",
        "norm / best, median": "{:.3f}",
        "norm / best, 90 %": "{:.3f}",
        "rank correlation with best": "{:.4f}",
    }
    head = ["search", *formats]
    body = [[row["search"], *(text.format(row[name]) for name, text in formats.items())] for _, row in table.iterrows()]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--targeted-images", type=int, default=150)
    parser.add_argument("--target", type=int, default=4, help="class index to reach in the second table")
    parser.add_argument("--data", type=Path, help="folder with images-28.npz and metadata.csv")
    parser.add_argument("--train-epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=12, help="of the training")
    parser.add_argument("--write", action="store_true", help="write docs/results/boundary.md and .csv")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    home = Path(os.environ.get("EVERYGROUP_DATA", ROOT.parent / "shared" / "data"))
    name, x, y, test_x, test_y = load(arguments.data or home / "ham10000", arguments.images)
    print(f"{name}: {len(x)} training images, {len(test_x)} measured")
    model = train(x, y, arguments.train_epochs, arguments.seed)
    with torch.no_grad():
        accuracy = float((model(test_x).argmax(1) == test_y).float().mean())
    print(f"accuracy on the measured images {accuracy:.3f}")
    untargeted = measure(model, test_x, None)
    targeted = measure(model, test_x[: arguments.targeted_images], arguments.target)
    command = "python benchmarks/boundary.py " + " ".join(a for a in sys.argv[1:] if a != "--write") + " --write"
    title = [
        f"{name} at 28 px, {len(test_x)} held-out images; small CNN trained {arguments.train_epochs} epochs, accuracy "
        f"{accuracy:.3f} on them. {datetime.date.today()}, one thread of a shared {os.cpu_count()}-core "
        f"{platform.machine()} machine without a GPU, PyTorch {torch.__version__}. "
        f"Made by `{' '.join(command.split())}`.",
    ]
    text = page(title, untargeted, targeted, arguments.target)
    print(text)
    if arguments.write:
        folder = ROOT / "docs" / "results"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "boundary.md").write_text(text, encoding="utf-8")
        both = pd.concat([untargeted.assign(table="untargeted"), targeted.assign(table="targeted")])
        both.to_csv(folder / "boundary.csv", index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
