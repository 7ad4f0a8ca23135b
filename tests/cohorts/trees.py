"""Cohorts as their archives unpack: the real names, tables and irregularities, round tiny volumes.

``TREES`` maps an adapter's name to a function that writes ``patients`` patients below a root and returns the truth.
``flavour`` (0, 1, 2, …) turns through the layout's variants. Patient 0 is always whole; irregular ones follow. What is
regular, names of tables and columns, is known to the phantoms' layouts.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from mmdino.phantom.layouts import brats2021 as brats2021_layout
from mmdino.phantom.layouts import egd as egd_layout
from mmdino.phantom.layouts import lumiere as lumiere_layout
from mmdino.phantom.layouts import tcga as tcga_layout
from mmdino.phantom.layouts import ucsf_pdgm as ucsf_layout
from mmdino.phantom.layouts import upenn_gbm as upenn_layout
from mmdino.phantom.layouts.writing import cells, write_csv, write_xlsx

ASTROCYTOMA, GLIOBLASTOMA, OLIGODENDROGLIOMA = "astrocytoma", "glioblastoma", "oligodendroglioma"


def _volume() -> bytes:
    array = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
    return nib.Nifti1Image(array, np.eye(4)).to_bytes()


VOLUME = _volume()
PACKED = gzip.compress(VOLUME, mtime=0)


@dataclass
class Truth:
    """What an adapter must find: label by subject (pre-operative, usable), and the subjects it must exclude."""

    labels: dict[str, str] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)  # subject -> sequence that is not there
    patient: dict[str, str] = field(default_factory=dict)  # subject -> identity where that differs


def scan(path: Path) -> None:
    """Write one tiny scan, packed or not by its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PACKED if path.suffix == ".gz" else VOLUME)


def brats2021(root: Path, patients: int, flavour: int = 0) -> Truth:
    """Flat, one folder level more, doubled, or as TCIA lays it; BraTS 2020 unpacked; BraTS 2023 with a second time point."""
    truth = Truth()
    sources = []
    for number in range(patients):
        name, suffix = f"BraTS2021_{number:05d}", ".nii.gz"
        style = (flavour + number) % 6
        folder = {
            1: f"RSNA_ASNR_MICCAI_BraTS2021_TrainingData/{name}",
            2: f"{name}/{name}",
            3: f"BraTS2021_TrainingSet/UPENN-GBM/{name}",
        }.get(style, name)
        words = ["t1", "t1ce", "t2", "flair", "seg"]
        if style == 4 and number < 1000:  # which BraTS 2020 did not reach
            name, suffix = f"BraTS20_Training_{number:03d}", ".nii"
            folder = name
        stem = f"{name}_"
        if style == 5:
            name = f"BraTS-GLI-{number:05d}"
            folder, stem = f"{name}-000", f"{name}-000-"
            words = ["t1n", "t1c", "t2w", "t2f", "seg"]
            for word in words:
                scan(root / f"{name}-001" / f"{name}-001-{word}{suffix}")
        if number % 4 == 3:
            words.remove("seg")  # validation cases have none
        for word in words:
            scan(root / folder / f"{stem}{word}{suffix}")
        truth.labels[name] = ""
        if name.startswith("BraTS2021"):
            old, new = (315, 433) if number == 0 else (600 + number, 600 + number)
            source = [
                ("UCSF-PDGM", str(old)),
                ("UPENN-GBM", f"UPENN-GBM-{number:05d}_11"),
                ("TCGA-LGG", f"TCGA-DU-{4000 + number}"),
                ("new", "new-not-previously-in-TCIA"),
            ][number % 4]
            others = [f"UCSF-PDGM-{new:04d}", f"UPENN-GBM-{number:05d}", f"TCGA-DU-{4000 + number}"]
            truth.patient[name] = [*others, name][number % 4]
            told = dict(zip((brats2021_layout.COLLECTION, brats2021_layout.IDENTITY), source))
            sources.append(cells(brats2021_layout.HEADER, {"BraTS2021 ID": name, **told}))
    write_xlsx(root / brats2021_layout.TABLE, brats2021_layout.HEADER, sources)
    return truth


UCSF = [  # grade, diagnosis, 1p/19q, IDH, label
    ("4", "Glioblastoma, IDH-wildtype", "unknown", "wildtype", GLIOBLASTOMA),
    ("2", "Astrocytoma, IDH-mutant", "intact", "IDH1 p.R132H", ASTROCYTOMA),
    ("3", "Oligodendroglioma, IDH-mutant, 1p/19q-codeleted", "Co-deletion", "IDH2 p.Arg172Trp", OLIGODENDROGLIOMA),
    ("3", "Astrocytoma, IDH-wildtype", "intact", "wildtype", GLIOBLASTOMA),
    (
        "3",
        "Oligodendroglioma, IDH-mutant, 1p/19q-codeleted",
        "relative co-deletion",
        "mutated (NOS)",
        OLIGODENDROGLIOMA,
    ),
    ("4", "Astrocytoma, IDH-mutant", "unknown", "mutated (NOS)", ASTROCYTOMA),
    ("", "", "", "indeterminate", ""),
    ("2", "", "co-deletion", "wildtype", ""),
]


def ucsf_pdgm(root: Path, patients: int, flavour: int = 0) -> Truth:
    """Version folders, ``_bias`` twins, other contrasts; a follow-up with its own row; three-digit ids in the table."""
    truth = Truth()
    top = root / ["UCSF-PDGM-v5", "UCSF-PDGM-v3-20230111", "PKG - UCSF-PDGM Version 5/UCSF-PDGM-v5", "."][flavour % 4]
    rows = []
    for number in range(patients):
        name = f"UCSF-PDGM-{number + 4:04d}"
        grade, diagnosis, codeletion, idh, label = UCSF[number % len(UCSF)]
        stems = [name, f"{name}_FU007d"] if number % 5 == 2 else [name]
        for stem in stems:
            for word in ("T1", "T1c", "T2", "FLAIR", "SWI", "ADC", "brain_segmentation", "tumor_segmentation"):
                scan(top / f"{stem}_nifti" / f"{stem}_{word}.nii.gz")
                if word in ("T1", "T1c", "T2", "FLAIR"):
                    scan(top / f"{stem}_nifti" / f"{stem}_{word}_bias.nii.gz")
            identity = f"UCSF-PDGM-{number + 4:03d}" if stem == name else stem
            told = {"ID": identity, "Sex": "F", "Age at MRI": "50", "MGMT status": "positive", "EOR": "GTR"}
            told |= {ucsf_layout.GRADE: grade, ucsf_layout.DIAGNOSIS: diagnosis}
            told |= {ucsf_layout.CODELETION: codeletion, ucsf_layout.IDH: idh}
            rows.append(cells(ucsf_layout.HEADER, told))
        truth.labels[name] = label
    write_csv(top / f"UCSF-PDGM-metadata_v{[5, 2][flavour % 2]}.csv", ucsf_layout.HEADER, rows)
    return truth


def upenn_gbm(root: Path, patients: int, flavour: int = 0) -> Truth:
    """Follow-ups, patients with only one, unstripped twins, flat segmentations by hand or not, a stray ``old``."""
    truth = Truth()
    rows = []
    for number in range(patients):
        name = f"UPENN-GBM-{number + 1:05d}"
        stamps = {3: ["21"], 4: ["11", "21"]}.get(number % 5, ["11"])
        for stamp in stamps:
            scanned = f"{name}_{stamp}"
            for word in ("T1", "T1GD", "T2", "FLAIR"):
                scan(root / "images_structural" / scanned / f"{scanned}_{word}.nii.gz")
                scan(root / "images_structural_unstripped" / scanned / f"{scanned}_{word}_unstripped.nii.gz")
            idh = ["Wildtype", "Mutated", "NOS/NEC", "Not Available"][number % 4]
            told = {"ID": scanned, "Gender": "M", "Age_at_scan_years": "60", "IDH1": idh, "MGMT": "Indeterminate"}
            rows.append(cells(upenn_layout.HEADER, told, blank="Not Available"))
        if stamps == ["21"]:
            truth.excluded.add(name)
            continue
        scan(root / "automated_segm" / f"{name}_11_automated_approx_segm.nii.gz")
        if number % 3 == 0:
            scan(root / "images_segm" / f"{name}_11_segm.nii.gz")
        if number == 1:
            scan(root / "images_structural" / f"{name}_11" / "old" / f"{name}_11_T1.nii.gz")
        truth.labels[name] = GLIOBLASTOMA if number % 4 == 0 else ""
    file = ["UPENN-GBM_clinical_info_v2.1.csv", "clinical_info.csv"][flavour % 2]
    write_csv(root / file, upenn_layout.HEADER, rows)
    return truth


EGD = [
    (0, -1, 4, GLIOBLASTOMA),
    (1, 0, 2, ASTROCYTOMA),
    (1, 1, 3, OLIGODENDROGLIOMA),
    (-1, -1, -1, ""),
    (1, -1, 2, ""),
    (0, 1, 2, ""),
    (0, 0, 3, GLIOBLASTOMA),
]


def egd(root: Path, patients: int, flavour: int = 0) -> Truth:
    """As XNAT gives it with the table, or as the downloader does with a JSON a patient."""
    truth = Truth()
    rows = []
    for number in range(patients):
        name = f"EGD-{number + 1:04d}"
        idh, codeletion, grade, label = EGD[number % len(EGD)]
        truth.labels[name] = label
        rows.append([name, idh, codeletion, grade])
        for place, word in enumerate(("T1", "T1GD", "T2", "FLAIR", "MASK"), start=1):
            if flavour % 2:
                scan(root / "SUBJECTS" / name / f"{word}.nii.gz")
            else:
                scan(root / f"MR_{name}" / f"{place}_{word}" / "NIFTI" / f"{word}.nii.gz")
        if flavour % 2:
            told = {
                "Genetic_and_Histological_labels": {"IDH": idh, "1p19q": codeletion, "Grade": grade},
                "Clinical_data": {"Age": 50, "Sex": "F"},
            }
            (root / "SUBJECTS" / name / "metadata.json").write_text(json.dumps(told))
    if flavour % 2:
        scan(root / "METADATA" / "Brain_mask.nii.gz")
        scan(root / "METADATA" / "Deface_mask.nii.gz")
    else:
        write_xlsx(root / "Genetic_and_Histological_labels.xlsx", egd_layout.HEADER, rows)
    return truth


def lumiere(root: Path, patients: int, flavour: int = 0) -> Truth:
    """Several weeks a patient, the pre-operative one by the ratings only; missing sequences; derived volumes beside."""
    truth = Truth()
    ratings, people = [], []
    for number in range(patients):
        name = f"Patient-{number + 1:03d}"
        weeks = [("week-000-1", "Pre-Op"), ("week-000-2", "Post-Op"), ("week-044", "PD")]
        if number % 4 == 3:
            weeks = [("week-001", "Post-Op"), ("week-020", "SD")]
            truth.excluded.add(name)
        else:
            truth.labels[name] = [GLIOBLASTOMA, "", GLIOBLASTOMA, "", ""][number % 5]
        for week, rating in weeks:
            told = {"Patient": name, "Date": week, lumiere_layout.RATING: rating}
            ratings.append(cells(lumiere_layout.RATINGS, told))
            for word in ("CT1", "T1", "T2", "FLAIR"):
                if number % 4 == 1 and week == "week-000-1" and word == "T1":
                    truth.missing[name] = "t1"
                    continue
                scan(root / "Imaging-v202211" / "Imaging" / name / week / f"{word}.nii.gz")
            derived = root / "Imaging-v202211" / "Imaging" / name / week / "DeepBraTumIA-segmentation" / "atlas"
            scan(derived / "skull_strip" / "t1_skull_strip.nii.gz")
            scan(derived / "segmentation" / "seg_mask.nii.gz")
        idh = ["WT", "na", "wt", "R132H mut", "IDH1 neg, Sequencing required"][number % 5]
        told = {"Patient": name, "Sex": "male", "Age at surgery (years)": "55", lumiere_layout.IDH: idh}
        people.append(cells(lumiere_layout.HEADER, {**told, "IDH method": "IHC"}))
    write_csv(root / "LUMIERE-ExpertRating-v202211.csv", lumiere_layout.RATINGS, ratings)
    write_csv(root / "LUMIERE-Demographics_Pathology.csv", lumiere_layout.HEADER, people)
    return truth


def rembrandt(root: Path, patients: int, flavour: int = 0) -> Truth:
    """Two kinds of ids, a date in the names, two names of segmentations."""
    truth = Truth()
    for number in range(patients):
        name = f"HF{1700 + number}" if (number + flavour) % 3 else f"900-00-{5299 + number}"
        stem = f"{name}_199{number % 10}.08.05"
        for word in ("t1", "t1ce", "t2", "flair"):
            scan(root / stem / f"{stem}_{word}_LPS_rSRI.nii.gz")
        scan(root / stem / f"{stem}_GlistrBoost_out{'-labels.nii' if number % 2 else '.nii.gz'}")
        truth.labels[name] = ""
    return truth


TCGA = [  # grade, IDH, 1p/19q, subtype, label
    ("G4", "WT", "non-codel", "IDHwt", GLIOBLASTOMA),
    ("G2", "Mutant", "codel", "IDHmut-codel", OLIGODENDROGLIOMA),
    ("G4", "Mutant", "non-codel", "IDHmut-non-codel", ASTROCYTOMA),
    ("NA", "NA", "NA", "NA", ""),
    ("G3", "NA", "NA", "IDHmut-non-codel", ASTROCYTOMA),
]


def tcga(root: Path, patients: int, flavour: int = 0) -> Truth:
    """Two collections, corrected masks that may be absent, ids with a letter behind, Excel with a title row."""
    truth = Truth()
    rows = []
    for number in range(patients):
        case = f"TCGA-{['02', 'DU', 'EZ'][number % 3]}-{1000 + number}"
        name = f"{case}A" if number % 3 == 2 else case
        kind = ["GBM", "LGG"][number % 2]
        folder = root / f"Pre-operative_TCGA_{kind}_NIfTI_and_Segmentations" / name
        for word in (
            "flair",
            "t1",
            "t1Gd",
            "t2",
            "GlistrBoost",
            *(["GlistrBoost_ManuallyCorrected"] if number % 2 else []),
        ):
            scan(folder / f"{name}_1996.08.23_{word}.nii.gz")
        grade, idh, codeletion, subtype, label = TCGA[number % len(TCGA)]
        truth.labels[name], truth.patient[name] = label, case
        told = {"Case": case, "Study": kind, "Histology": "glioblastoma"}
        told |= dict(zip(tcga_layout.MARKERS, (grade, idh, codeletion, subtype)))
        rows.append(cells(tcga_layout.HEADER, told, blank="NA"))
    write_xlsx(root / tcga_layout.TABLE, tcga_layout.HEADER, rows, tcga_layout.SHEET, tcga_layout.TITLE)
    return truth


def bids(root: Path, patients: int, flavour: int = 0) -> Truth:
    """Raw or derivative names, with sessions or without."""
    truth = Truth()
    rows = []
    for number in range(patients):
        name = f"p{number:02d}"
        session = "_ses-preop" if flavour % 2 else ""
        space = "_space-SRI24_desc-preproc" if flavour % 2 else ""
        folder = root / f"sub-{name}" / ("ses-preop" if flavour % 2 else ".") / "anat"
        for tail in (f"{space}_T1w", f"_ce-gadolinium{space}_T1w", f"{space}_T2w", f"{space}_FLAIR"):
            scan(folder / f"sub-{name}{session}{tail}.nii.gz")
        scan(folder / f"sub-{name}{session}_desc-tumor_dseg.nii.gz")
        scan(folder / f"sub-{name}{session}_desc-brain_mask.nii.gz")
        truth.labels[name] = [GLIOBLASTOMA, ASTROCYTOMA, ""][number % 3]
        rows.append(f"sub-{name}\t{truth.labels[name] or 'n/a'}\n")
    (root / "participants.tsv").write_text("participant_id\tlabel\n" + "".join(rows))
    return truth


TREES: dict[str, Callable[[Path, int, int], Truth]] = {
    "brats2021": brats2021,
    "ucsf-pdgm": ucsf_pdgm,
    "upenn-gbm": upenn_gbm,
    "egd": egd,
    "lumiere": lumiere,
    "rembrandt": rembrandt,
    "tcga": tcga,
    "bids": bids,
}
