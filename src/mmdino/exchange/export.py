"""Preprocessed cohorts written as another tool reads them: a layout is a function that says where a file lies."""

import gzip
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from mmdino.errors import UserError, nearest
from mmdino.files import atomic, write_json
from mmdino.nifti import is_packed, read_labels, write_volume
from mmdino.preprocess.atlas import Atlas
from mmdino.preprocess.bids import ANAT, Names, write_dataset, write_side_files
from mmdino.preprocess.segment import harmonise_labels
from mmdino.tables import CLASSES, PERSON, SEQUENCES

KINDS = (*SEQUENCES, "seg")
TOLD = ("label", "site", "patient", *PERSON)
KEPT_AS_WRITTEN = ("BraTS", "Patient-")  # ids of BraTS and LUMIERE; the authors' lists have all others in lower case
log = logging.getLogger(__name__)


def export(
    manifest: pd.DataFrame, preprocessed: pd.DataFrame, layout: str, atlas: Atlas, out: Path, link: bool = False
) -> int:
    """Write every usable patient's sequences, segmentation and label below ``out/<cohort>``.

    Files that are there already, with the same size and time, are not written again. A folder with the scans of anybody
    else is refused, and none is deleted: they may be somebody's only ones. In BIDS, BraTS's older labels (1, 2, 4) become
    1, 2, 3, which its table of labels names.

    Args:
        manifest: ``tables.MANIFEST`` of one or more cohorts: labels, sites, identities.
        preprocessed: ``tables.PREPROCESSED`` of the same; rows that are not ``done`` are left out.
        layout: one of :data:`LAYOUTS`.
        atlas: the space that the names tell.
        out: a folder of data sets, one a cohort.
        link: symbolic links instead of copies (a file that is not compressed, or recoded, is written all the same).

    Returns:
        How many patients were written.

    Raises:
        UserError: the layout is unknown, two patients would get one name, a file is not there any more, or the folder
            holds scans that are not in this export.
    """
    if layout not in LAYOUTS:
        raise UserError(f"there is no layout '{layout}'{nearest(layout, LAYOUTS)}")
    done = preprocessed.loc[preprocessed["status"] == "done", ["cohort", "subject", "session", *KINDS, "seg_source"]]
    told = manifest.loc[manifest["excluded"] == "", ["cohort", "subject", "session", *TOLD]]
    people = told.merge(done, on=["cohort", "subject", "session"])
    for cohort in sorted(set(manifest["cohort"])):
        rows = people[people["cohort"] == cohort]
        if rows.empty:
            _require_no_others(out / cohort, layout, atlas, set())
        else:
            LAYOUTS[layout](rows, cohort, atlas, out / cohort, link)
    log.info("%d of %d sessions are usable and were written", len(people), len(manifest))
    return len(people)


def _authors(people: pd.DataFrame, cohort: str, atlas: Atlas, out: Path, link: bool) -> None:
    """Write the layout of MM-DINOv2's released code: ``<patient>/preop/sub-<patient>_…`` and ``phenoData.csv``."""
    if atlas.space != "SRI24":
        log.warning("the layout's names say space-sri, and these scans lie in %s", atlas.space)
    names = [name if name.startswith(KEPT_AS_WRITTEN) else name.lower() for name in people["subject"]]
    _require_different(names, people["subject"])

    def place(name: str, kind: str) -> Path:
        return out / name / "preop" / f"sub-{name}_ses-preop_space-sri_{kind}.nii.gz"

    scans = _scans(people, names, place)
    _require_no_others(out, "mm-dinov2", atlas, scans)
    _write_scans(scans, link)
    whole = (people[list(KINDS)] != "").all(axis=1)
    if not whole.all():
        log.warning("%s: %d patients lack a sequence, which the released code asks for", cohort, (~whole).sum())
    classes = people["label"].map({label: str(number) for number, label in enumerate(CLASSES)}).fillna("")
    with atomic(out / "phenoData.csv") as temporary:
        pd.DataFrame({"Patient": names, "WHO2021_Int": classes.to_numpy()}).to_csv(temporary, index=False)


def _bids(people: pd.DataFrame, cohort: str, atlas: Atlas, out: Path, link: bool) -> None:
    """Write a BIDS-derivatives data set whose ``participants.tsv`` tells label, site, identity, age and sex."""
    named = {name: Names(out, name, "preop", atlas) for name in people["subject"]}
    _require_different([names.subject for names in named.values()], people["subject"])
    scans = _scans(people, list(named), lambda name, kind: named[name].path(kind))
    _require_no_others(out, "bids", atlas, scans)
    write_dataset(out, cohort, atlas)
    _write_scans(scans, link, recoded={names.path("seg") for names in named.values()})
    automatic = people.loc[people["seg"] != "", "seg_source"].str.startswith("nnunet").all()
    write_side_files(out, atlas, {kind for kind in KINDS if people[kind].ne("").any()}, bool(automatic))
    table = people[list(TOLD)].replace("", "n/a")
    table.insert(0, "participant_id", [names.subject for names in named.values()])
    with atomic(out / "participants.tsv") as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a")
    told = {
        "label": {"Description": "WHO 2021 glioma subtype", "Levels": {name: name for name in CLASSES}},
        "site": {"Description": "Scanner site"},
        "patient": {"Description": "The same in all cohorts in which the patient occurs"},
        "age": {"Description": "Age", "Units": "years"},
        "sex": {"Description": "Sex", "Levels": {"male": "male", "female": "female"}},
    }
    write_json(out / "participants.json", told)


LAYOUTS: dict[str, Callable[[pd.DataFrame, str, Atlas, Path, bool], None]] = {"mm-dinov2": _authors, "bids": _bids}


def _require_different(names: Iterable[str], subjects: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for name, subject in zip(names, subjects):
        if known.setdefault(name.casefold(), subject) != subject:
            raise UserError(
                f"{known[name.casefold()]} and {subject} would both be written as '{name}'; rename one of them"
            )


def _scans(people: pd.DataFrame, names: list[str], place: Callable[[str, str], Path]) -> dict[Path, Path]:
    """Return the file that each one to be written is made of."""
    rows = zip(people.to_dict("records"), names)
    return {place(name, kind): Path(row[kind]) for row, name in rows for kind in KINDS if row[kind]}


def _require_no_others(out: Path, layout: str, atlas: Atlas, scans: Collection[Path]) -> None:
    """Refuse a folder with scans, where this layout puts them, that are not among those to be written."""
    patterns = {
        "mm-dinov2": [f"*/preop/sub-*_ses-preop_space-sri_{kind}.nii.gz" for kind in KINDS],
        "bids": [f"sub-*/ses-preop/anat/*_space-{atlas.space}_{ANAT[kind][1]}.nii.gz" for kind in KINDS],
    }
    others = sorted({path for pattern in patterns[layout] for path in out.glob(pattern)} - set(scans))
    if others:
        raise UserError(
            f"{out}: holds {len(others)} scans that are not in this export, such as {others[0].relative_to(out)}: of a "
            "patient left out since, or of somebody else's; readers would take them for an unlabelled patient's. "
            "Delete them (of an earlier export, the whole folder), or export to another folder"
        )


def _write_scans(scans: Mapping[Path, Path], link: bool, recoded: Collection[Path] = ()) -> None:
    for target, source in tqdm(scans.items(), desc="export", unit="scan", disable=None):
        _write(source, target, link, target in recoded)


def _write(source: Path, target: Path, link: bool, recode: bool) -> None:
    """Copy, compress or link one file, and give it its source's time, by which it is known as done; or recode it."""
    if not source.exists():
        raise UserError(f"{source}: is not there any more; run `mmdino preprocess` again")
    if recode and _recode(source, target):
        return
    packed = is_packed(source)
    if link and packed:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(source.resolve())
        return
    status = source.stat()
    if target.exists() and not target.is_symlink():
        there = target.stat()
        if there.st_mtime_ns == status.st_mtime_ns and (there.st_size == status.st_size or not packed):
            return
    target.unlink(missing_ok=True)
    with atomic(target) as temporary:
        if packed:
            shutil.copyfile(source, temporary)
        else:
            temporary.write_bytes(gzip.compress(source.read_bytes(), compresslevel=1, mtime=0))
        os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))


def _recode(source: Path, target: Path) -> bool:
    """Write a segmentation of BraTS's older labels with the newer ones; return False where it has these already."""
    labels = read_labels(source)
    if not (labels.array == 4).any():
        return False
    write_volume(harmonise_labels(labels.array, source), labels.affine, target)
    return True
