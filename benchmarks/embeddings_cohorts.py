"""Embed the cohorts of docs/results/embeddings: five data sets, and PAD-UFES-20 beside two of them as a second site.

    python benchmarks/embeddings_cohorts.py DATA OUT [--only ham10000] [--pixels 64]

DATA holds ham10000, fitzpatrick17k-subset-128, odir-5k-128, pad-ufes-20-subset-128, nih-chestxray14-subset-64, each
with metadata.csv and its images. Malignant is malignant or precancerous: mel, bcc, akiec of HAM10000, BCC, SCC, MEL,
ACK of PAD-UFES-20, `three_partition_label` of Fitzpatrick17k. Every attribute has a placebo: groups of the same sizes,
drawn among patients. The x-rays have 64 pixels and are embedded so, all others 128. With --pixels the images are kept
in their place, for networks that are fine-tuned.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup import read_cohort
from everygroup.cohort import Cohort
from everygroup.datasets.save import save_cohort
from everygroup.networks.embed import embed

BACKBONE = "tf_efficientnet_lite0"
MALIGNANT = {
    "ham10000": ("label", {"mel", "bcc", "akiec"}),
    "pad_ufes_20": ("label", {"BCC", "SCC", "MEL", "ACK"}),
    "fitzpatrick17k": ("three_partition_label", {"malignant"}),
}
SETS = {
    "fitzpatrick17k": ("fitzpatrick17k-subset-128", 128, "image_id", {"tone": ("skin_type", 3)}),
    "ham10000": ("ham10000", 128, "lesion_id", {"sex": ("sex", None), "age_group": ("age", 55)}),
    "odir_5k": ("odir-5k-128", 128, "patient_id", {"sex": ("sex", None), "age_group": ("age", 60)}),
    "pad_ufes_20": ("pad-ufes-20-subset-128", 128, "patient_id", {"sex": ("sex", None)}),
    "nih": (
        "nih-chestxray14-subset-64",
        64,
        "patient_id",
        {"sex": ("sex", None), "age_group": ("age", 60), "view": ("view", None)},
    ),
}


def prepared_table(name: str, folder: Path) -> pd.DataFrame:
    """Return the data set's table with the label, the groups, and a placebo of each."""
    table = pd.read_csv(folder / "metadata.csv")
    _, _, unit, attributes = SETS[name]
    if name == "odir_5k":
        table = table[table["age"] > 1]  # a placeholder of the source
    if name in MALIGNANT:
        column, members = MALIGNANT[name]
        table["malignant"] = np.where(table[column].isin(members), "yes", "no")
    if name == "fitzpatrick17k":
        table["type"] = table["skin_type"].map({k + 1: t for k, t in enumerate(("I", "II", "III", "IV", "V", "VI"))})
    for group, (column, cut) in attributes.items():
        if cut is not None:
            known = table[column].notna()
            table[group] = np.where(table[column] > cut, "above", "below")
            table.loc[~known, group] = None
        table[f"placebo_{group}"] = placebo(table[group], table[unit], seed=len(group))
    return table


def placebo(group: pd.Series, unit: pd.Series, seed: int) -> np.ndarray:
    """Hand the values of whole units to other units: about as many samples a group, and nothing in common."""
    first = group.groupby(unit).first()
    names = unit.drop_duplicates().to_numpy()
    shuffled = np.random.default_rng(seed).permutation(first.reindex(names).to_numpy(dtype=object))
    return unit.map(dict(zip(names, shuffled, strict=True))).to_numpy(dtype=object)


def embedded(name: str, data: Path, out: Path, pixels: int | None) -> None:
    """Embed one set; or keep its images, of so many pixels."""
    if (out / name / "cohort.json").exists():
        return
    folder, size, unit, attributes = SETS[name]
    table = prepared_table(name, data / folder)
    work = out / ".tables" / name
    work.mkdir(parents=True, exist_ok=True)
    table.to_csv(work / "metadata.csv", index=False)
    cohort = read_cohort(
        work / "metadata.csv",
        images=data / folder,
        label="malignant" if name in MALIGNANT else "label",
        group=next(iter(attributes)),
        split_by="none" if unit == "image_id" else unit,
        id_column="image_id",
        image_size=pixels or size,
    )
    if pixels:
        save_cohort(cohort, out / name)
    else:
        embed(cohort, out / name, backbone=BACKBONE)


def joined(first: str, second: str, out: Path) -> None:
    """Put two sets together, each a site of its own."""
    target = out / f"{first}-{second}"
    if (target / "cohort.json").exists():
        return
    parts = [read_cohort(out / name) for name in (first, second)]
    table = pd.DataFrame(
        {
            "image_id": np.concatenate([p.ids for p in parts]),
            "patient": np.concatenate([p.units for p in parts]),
            "malignant": np.concatenate([np.array(p.classes, dtype=object)[p.y] for p in parts]),
            "site": np.repeat([first, second], [len(p) for p in parts]),
        }
    )
    table["placebo_site"] = placebo(table["site"], table["patient"], seed=4)
    cohort = Cohort.from_table(
        np.concatenate([p.batch(slice(None)).astype(p.images.dtype) for p in parts]),
        table,
        label="malignant",
        group="site",
        id_column="image_id",
        split_by="patient",
        provenance={"name": target.name, "parts": [p.provenance for p in parts]},
    )
    save_cohort(cohort, target)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=list(SETS))
    parser.add_argument("--pixels", type=int, help="keep images, of this many pixels, instead of features")
    options = parser.parse_args()
    for name in options.only:
        embedded(name, options.data, options.out, options.pixels)
    for second in ("ham10000", "fitzpatrick17k"):
        if all((options.out / name / "cohort.json").exists() for name in ("pad_ufes_20", second)):
            joined("pad_ufes_20", second, options.out)


if __name__ == "__main__":
    main()
