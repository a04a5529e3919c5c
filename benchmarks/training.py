"""Our training loop against its limit and against a usual pipeline, in one run.

- bare: forward, backward and step on tensors in memory, nothing else (the limit).
- ours: `everygroup.training.train_plain` on the same images, network, optimiser and number of updates, without and with
  augmentation; it also draws batches, weighs samples, schedules, clips, validates and logs.
- usual: a DataLoader that decodes a JPEG and augments it with torchvision, item by item, in the main process.

Run: python benchmarks/training.py --write
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import describe_machine, load_images, write_result
from PIL import Image

from everygroup.cohort import Cohort
from everygroup.networks import NetworkSpec, build_network
from everygroup.networks.vision_library import timm
from everygroup.settings import TrainSettings
from everygroup.targets import target_of
from everygroup.training import Task, train_plain


def bare(images: np.ndarray, y: np.ndarray, backbone: str, batch: int, updates: int) -> float:
    """Seconds of the bare loop."""
    torch.manual_seed(0)
    network = build_network(NetworkSpec(backbone, int(y.max()) + 1, images.shape[1:])).to(
        memory_format=torch.channels_last
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
    target = torch.from_numpy(y)
    network.train()
    started = time.perf_counter()
    for update in range(updates):
        part = slice(update * batch % (len(x) - batch), update * batch % (len(x) - batch) + batch)
        loss = F.cross_entropy(network(x[part]), target[part])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return time.perf_counter() - started


def ours(cohort: Cohort, backbone: str, batch: int, updates: int, augment: str) -> float:
    """Seconds of our loop, from the first update to the last record of its log."""
    settings = TrainSettings.make(
        {"backbone": backbone, "batch_size": batch, "updates": updates, "augment": augment, "selection": "last"}
    )
    task = Task.diagnosis("benchmark", target_of(cohort), cohort, cohort.where(np.arange(16)))
    log = train_plain(task, settings, n_budget=batch * updates).log
    return sum(record["seconds"] for record in log)


def usual(jpegs: list[bytes], y: np.ndarray, side: int, backbone: str, batch: int, updates: int) -> float:
    """Seconds of a per-item pipeline."""
    timm()  # imports torchvision, mended where it does not fit torch
    from torchvision import transforms

    augment = transforms.Compose(
        [
            transforms.Resize(side),
            transforms.RandomHorizontalFlip(),
            transforms.RandomVerticalFlip(),
            transforms.RandomAffine(30, scale=(0.9, 1.1)),
            transforms.ColorJitter(0.1, 0.1, 0.1),
            transforms.ToTensor(),
        ]
    )

    class Items(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(jpegs)

        def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
            return augment(Image.open(io.BytesIO(jpegs[i])).convert("RGB")), int(y[i])

    torch.manual_seed(0)
    network = build_network(NetworkSpec(backbone, int(y.max()) + 1, (side, side, 3)))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(Items(), batch_size=batch, shuffle=True, drop_last=True)
    network.train()
    done, started = 0, time.perf_counter()
    while True:
        for x, target in loader:
            loss = F.cross_entropy(network(x), target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            done += 1
            if done == updates:
                return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions, all loops in turn in each")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--images", type=int, default=1536)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/results/training.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = []
    for backbone, side in (("small_cnn", 28), ("resnet18", 64)):
        images, y, name = load_images(options.images, side)
        cohort = Cohort.from_arrays(
            images, y, sensitive_features=["a", "b"] * (len(y) // 2), classes=[str(k) for k in range(int(y.max()) + 1)]
        )
        jpegs = []
        for image in images:
            buffer = io.BytesIO()
            picture = Image.fromarray(image).resize((2 * side, 2 * side))
            picture.save(buffer, "JPEG", quality=90)
            jpegs.append(buffer.getvalue())
        updates = options.updates if backbone == "small_cnn" else max(4, options.updates // 3)
        seconds: dict[str, list[float]] = {"bare": [], "ours, no augmentation": [], "ours, augmented": [], "usual": []}
        for _ in range(options.rounds):
            seconds["bare"].append(bare(images, y, backbone, options.batch, updates))
            seconds["ours, no augmentation"].append(ours(cohort, backbone, options.batch, updates, "none"))
            seconds["ours, augmented"].append(ours(cohort, backbone, options.batch, updates, "standard"))
            seconds["usual"].append(usual(jpegs, y, side, backbone, options.batch, updates))
        for loop, values in seconds.items():
            ratio = statistics.median(b / v for b, v in zip(seconds["bare"], values, strict=True))
            speed = options.batch * updates / statistics.median(values)
            lines.append(f"| {backbone}, {side} px | {loop} | {speed:.0f} | {ratio:.1%} |")
            print(lines[-1], flush=True)
    head = ["| network | loop | images/s (median) | speed relative to bare |", "|---|---|---|---|"]
    text = (
        f"Images: {name}. Batch {options.batch}, {options.threads} thread(s), {options.rounds} rounds in turn, AdamW."
    )
    if options.write:
        write_result(
            Path("docs/results/training.md"), "Training speed", [text, "", *head, *lines, "", describe_machine()]
        )


if __name__ == "__main__":
    main()
