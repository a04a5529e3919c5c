"""Fitzpatrick17k: 16,577 clinical photographs of 114 skin conditions with annotated skin types (Groh et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._coding import categories, find_file, read_source
from everygroup.datasets.published._layout import is_tidy, read_tidy
from everygroup.datasets.published._registry import register

_NINE = {
    "inflammatory": 10886,
    "malignant epidermal": 1352,
    "genodermatoses": 1194,
    "benign dermal": 1067,
    "benign epidermal": 931,
    "malignant melanoma": 573,
    "benign melanocyte": 236,
    "malignant cutaneous lymphoma": 182,
    "malignant dermal": 156,
}
_THREE = {"non-neoplastic": 12080, "malignant": 2263, "benign": 2234}
_CONDITIONS = """
acanthosis nigricans; acne; acne vulgaris; acquired autoimmune bullous diseaseherpes gestationis; acrodermatitis
enteropathica; actinic keratosis; allergic contact dermatitis; aplasia cutis; basal cell carcinoma; basal cell
carcinoma morpheiform; becker nevus; behcets disease; calcinosis cutis; cheilitis; congenital nevus; dariers disease;
dermatofibroma; dermatomyositis; disseminated actinic porokeratosis; drug eruption; drug induced pigmentary changes;
dyshidrotic eczema; eczema; ehlers danlos syndrome; epidermal nevus; epidermolysis bullosa; erythema annulare
centrifigum; erythema elevatum diutinum; erythema multiforme; erythema nodosum; factitial dermatitis; fixed eruptions;
folliculitis; fordyce spots; granuloma annulare; granuloma pyogenic; hailey hailey disease; halo nevus; hidradenitis;
ichthyosis vulgaris; incontinentia pigmenti; juvenile xanthogranuloma; kaposi sarcoma; keloid; keratosis pilaris;
langerhans cell histiocytosis; lentigo maligna; lichen amyloidosis; lichen planus; lichen simplex; livedo reticularis;
lupus erythematosus; lupus subacute; lyme disease; lymphangioma; malignant melanoma; melanoma; milia; mucinosis;
mucous cyst; mycosis fungoides; myiasis; naevus comedonicus; necrobiosis lipoidica; nematode infection;
neurodermatitis; neurofibromatosis; neurotic excoriations; neutrophilic dermatoses; nevocytic nevus; nevus sebaceous
of jadassohn; papilomatosis confluentes and reticulate; paronychia; pediculosis lids; perioral dermatitis;
photodermatoses; pilar cyst; pilomatricoma; pityriasis lichenoides chronica; pityriasis rosea; pityriasis rubra
pilaris; porokeratosis actinic; porokeratosis of mibelli; porphyria; port wine stain; prurigo nodularis; psoriasis;
pustular psoriasis; pyogenic granuloma; rhinophyma; rosacea; sarcoidosis; scabies; scleroderma; scleromyxedema;
seborrheic dermatitis; seborrheic keratosis; solid cystic basal cell carcinoma; squamous cell carcinoma; stasis edema;
stevens johnson syndrome; striae; sun damaged skin; superficial spreading melanoma ssm; syringoma; telangiectases;
tick bite; tuberous sclerosis; tungiasis; urticaria; urticaria pigmentosa; vitiligo; xanthomas; xeroderma pigmentosum
"""  # the authors' names, spelt as in their table
_NAMES = tuple(" ".join(name.split()) for name in _CONDITIONS.split(";"))
_LABELS = ("nine_partition_label", "three_partition_label")


@register
class Fitzpatrick17k(Adapter):
    """The authors' table; the images are fetched by a user from its addresses, or come from the authors' form."""

    info = DataSetInfo(
        name="fitzpatrick17k",
        title="Fitzpatrick17k",
        modality="clinical photographs",
        task="114 skin conditions, in nine or three partitions",
        citation="Groh et al. Evaluating deep neural networks trained on clinical images in dermatology with the "
        "Fitzpatrick 17k dataset. CVPR Workshops 2021",
        licence="CC BY-NC-SA 3.0 for the annotations; the pictures belong to two online atlases: research use only",
        access="open: the table at github.com/mattgroh/fitzpatrick17k, the images at the addresses in it or by form",
        files=("fitzpatrick17k.csv", "images in any folder below, named <md5hash>.jpg"),
        attributes={
            "skin_type": "Fitzpatrick type 1-6 by Scale AI (fitzpatrick_scale); -1 is missing",
            "skin_type_centaur": "Fitzpatrick type 1-6 by Centaur Labs (fitzpatrick_centaur); -1 is missing",
        },
        unit="image_id",
        n_images=16577,
        counts={
            "skin_type": {"1": 2947, "2": 4808, "3": 3308, "4": 2781, "5": 1533, "6": 635},
            "skin_type_centaur": {"1": 5561, "2": 3180, "3": 2934, "4": 1974, "5": 1293, "6": 562},
            "three_partition_label": _THREE,
            "nine_partition_label": _NINE,
            "qc": {
                "1 Diagnostic": 348,
                "2 Characteristic": 32,
                "3 Wrongly labelled": 17,
                "4 Other": 10,
                "5 Potentially": 97,
            },
        },
        defects=(
            "The skin type was judged from the picture, by two companies that differ in more than half of the images; "
            "565 and 1,073 images have none, which is missing, not dark.",
            "Labels are those of the atlases and known to be noisy; of 504 images the authors checked, 17 are wrongly "
            "labelled: leave them out with --leave-out 'qc=3 Wrongly labelled'.",
            "There is no patient; near-duplicates are known, so that a split by image leaks.",
            "41 rows have no address, and many addresses are dead: --list-missing names the images you lack.",
            "Fifteen conditions have fewer than ten images of types 4-6: with 114 classes some test cells are empty.",
        ),
    )
    label_maps = (
        LabelMap("three", 1, "three_partition_label", {c: c for c in _THREE}, "the authors' three partitions"),
        LabelMap("nine", 1, "nine_partition_label", {c: c for c in _NINE}, "the authors' nine partitions"),
        LabelMap("conditions", 1, "condition", {c: c for c in _NAMES}, "all 114 conditions"),
        LabelMap(
            "malignant",
            1,
            "three_partition_label",
            {"malignant": "malignant", "benign": "not malignant", "non-neoplastic": "not malignant"},
            "malignant against everything else",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table, the authors' `label` under the name `condition`; see `Adapter.read`."""
        if is_tidy(folder):
            needs = ["condition", *_LABELS, "qc", "skin_type", "skin_type_centaur"]
            return self._coded(read_tidy(folder, rename={"label": "condition"}, needs=needs, column_map=column_map))
        path = find_file(folder, "fitzpatrick17k.csv", "fitzpatrick17k*.csv")
        names = {
            "md5hash": "image_id",
            "label": "condition",
            "fitzpatrick_scale": "skin_type",
            "fitzpatrick": "skin_type",  # the first release
            "fitzpatrick_centaur": "skin_type_centaur",
        }
        names |= {old: names.get(new, new) for old, new in (column_map or {}).items()}
        needs = ["image_id", "condition", *_LABELS, "skin_type"]
        table = read_source(path, needs=needs, text=["md5hash", "image_id"], column_map=names)
        check_ids(path, table["image_id"], "md5hash")
        return self._coded(Published(table.assign(image=table["image_id"]), path, folder))

    def _coded(self, found: Published) -> Published:
        table, notes = found.table, []
        for column in ("skin_type_centaur", "qc"):
            if column not in table.columns:  # the first release has neither
                table = table.assign(**{column: None})
                notes.append(f"the table has no {column}: it is missing throughout")
        types = {c: categories(table[c], missing=["-1"]) for c in ("skin_type", "skin_type_centaur")}
        wrong = int((table["qc"] == "3 Wrongly labelled").sum())
        if wrong:
            notes.append(f"{wrong} images are known to be wrongly labelled (qc) and are kept unless left out")
        return replace(found, table=table.assign(**types), notes=tuple(notes))
