"""A shard of a cohort: each patient in turn, what is done already skipped, a failure kept as a row with its reason."""

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from mmdino import __version__
from mmdino.config import Cohort, Preprocess
from mmdino.errors import UserError
from mmdino.files import content_key, read_json, remove, write_json
from mmdino.models.nnunet import model_folder
from mmdino.preprocess.atlas import Atlas, load_atlas
from mmdino.preprocess.bids import ANAT, Names, write_dataset, write_side_files
from mmdino.preprocess.brain import weights_file
from mmdino.preprocess.environment import one_thread
from mmdino.preprocess.quality.measure import rounded
from mmdino.tables import MANIFEST, PREPROCESSED, SEQUENCES, conform

REVISION = 2  # raise it when the chain's results change: every patient is then made again
FILES = (*SEQUENCES, "seg", "mask", "transforms", "figure")


def run_shard(
    name: str,
    cohort: Cohort,
    settings: Preprocess,
    manifest: pd.DataFrame,
    derivatives: Path,
    everybody: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Preprocess the manifest's patients one after the other, in one thread.

    A patient that was done before from the same files, with the same settings, is not done again. A patient that fails
    becomes a row with ``status`` failed and the reason, and is tried again next time; the others go on. Interrupted
    with Ctrl-C, everything that is finished is kept.

    Args:
        name: the cohort's name.
        cohort: its ``stage`` counts where a row of the manifest gives none.
        settings: atlas, networks, seed.
        manifest: rows of ``tables.MANIFEST``, this shard's only.
        derivatives: the cohort's folder of derivatives; made if it is not there.
        everybody: the cohort's whole manifest: who would be written where somebody else is fails, in whichever shard
            that one is; None: ``manifest`` is all of it.

    Returns:
        ``tables.PREPROCESSED``, a row for each of the manifest's, in its order.

    Raises:
        UserError: the atlas cannot be used, or nothing can be written (full disk, no permission).
    """
    one_thread(settings.seed)
    atlas = load_atlas(settings.atlas)
    rows = conform(MANIFEST, manifest, f"manifest of {name}").to_dict("records")
    if any((row["stage"] or cohort.stage) != "stripped" or not row["seg"] for row in rows):
        write_dataset(derivatives, name, atlas)
    done, unsegmented = [], _for_unsegmented(cohort, settings)
    named = _by_record(manifest if everybody is None else everybody, derivatives, atlas)
    for row in tqdm(rows, desc=f"preprocess {name}", unit="patient", disable=None):
        stage = row["stage"] or cohort.stage
        asked = settings if row["seg"] else unsegmented
        done.append(_patient({key: str(value) for key, value in row.items()}, stage, asked, derivatives, atlas, named))
    ours = str(derivatives)
    write_side_files(derivatives, atlas, {kind for row in done for kind in ANAT if row[kind].startswith(ours)})
    return conform(PREPROCESSED, pd.DataFrame(done, columns=list(PREPROCESSED.columns)), f"shard of {name}")


def _for_unsegmented(cohort: Cohort, settings: Preprocess) -> Preprocess:
    """Return the settings for patients without a segmentation: of people none is made by the phantoms' model unasked."""
    said = cohort.phantom or "segmenter" in settings.model_fields_set
    return settings if said else settings.model_copy(update={"segmenter": "none"})


def _by_record(manifest: pd.DataFrame, derivatives: Path, atlas: Atlas) -> dict[Path, list[str]]:
    """Return the subjects of the sessions that would be written to one record: more than one must not be."""
    found: dict[Path, list[str]] = defaultdict(list)
    for row in manifest[manifest["excluded"] == ""].to_dict("records"):
        with suppress(UserError):  # of this id BIDS can make no name: nothing is written
            found[Names(derivatives, row["subject"], row["session"], atlas).path("record")].append(row["subject"])
    return found


def _patient(
    row: dict[str, str],
    stage: str,
    settings: Preprocess,
    derivatives: Path,
    atlas: Atlas,
    named: Mapping[Path, list[str]],
) -> dict[str, Any]:
    """Return the patient's row: from its record, or made now."""
    start = time.process_time()
    base = {**dict.fromkeys(PREPROCESSED.columns, ""), **{key: row[key] for key in ("subject", "session", "cohort")}}
    base["stage"] = stage
    try:
        if row["excluded"]:
            raise UserError(f"excluded: {row['excluded']}")
        names = Names(derivatives, row["subject"], row["session"], atlas)
        _require_own_name(named[names.path("record")], names)
        key = _key(row, stage, settings, atlas)
        known = _record(names, row["subject"], key)
        if known is not None:
            return base | known
        remove(names.path("record"))  # else it would vouch for files that are half overwritten, once its key fits again
        result = _chain(stage)(row, names, atlas, settings)
        made = (
            result.row
            | rounded(result.measures)
            | {
                "status": "done",
                "reason": "; ".join(result.notes),
                "seconds": round(time.process_time() - start, 3),
                "brain_ml": round(result.brain_ml, 2),
            }
        )
        write_json(
            names.path("record"),
            {"subject": row["subject"], "key": key, "row": made, "steps": result.steps, "made_by": result.made_by},
        )
        return base | made
    except Exception as error:  # one patient never stops a cohort
        if isinstance(error.__cause__, OSError):  # but a disk that cannot be written does: no patient would get further
            raise
        reason = str(error) if isinstance(error, UserError) else f"unexpected {type(error).__name__}: {error}"
        seconds = round(time.process_time() - start, 3)
        return base | {
            "status": "failed",
            "reason": " ".join(reason.split()),
            "seconds": seconds,
            "brain_ml": float("nan"),
        }


def _chain(stage: str) -> Any:
    from mmdino.preprocess import patient

    return {
        "native": patient.native,
        "atlas": patient.registered,
        "atlas-other-space": partial(patient.native, together=True),
        "stripped": patient.stripped,
        "stripped-other-space": patient.elsewhere,
    }[stage]


def _key(row: dict[str, str], stage: str, settings: Preprocess, atlas: Atlas) -> str:
    """Return what a patient's result depends on: files by size and time, settings, and this code's revision."""
    files = [Path(row[name]) for name in (*SEQUENCES, "seg") if row[name]]
    files.append(atlas.path)
    if not row["seg"] and settings.segmenter != "none":
        files += sorted(model_folder(settings.segmenter).glob("fold_*/checkpoint_final.pth"))
    if not stage.startswith("stripped") and settings.brain_extraction == "hd-bet-v2":
        files.append(weights_file(settings.brain_weights))
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.exists()]
    given = {name: row[name] for name in (*SEQUENCES, "seg")}
    return content_key([given, stamps, stage, settings.model_dump(mode="json"), REVISION, __version__])


def _require_own_name(subjects: list[str], names: Names) -> None:
    if len(subjects) > 1:
        raise UserError(
            f"{' and '.join(subjects)} have the same BIDS name {names.subject} (letters and digits only); "
            "rename one of them"
        )


def _record(names: Names, subject: str, key: str) -> dict[str, Any] | None:
    """Return the row that was made from the same inputs, if all of its files are still there."""
    path = names.path("record")
    if not path.exists():
        return None
    record = read_json(path)
    _require_own_name(sorted({subject, record["subject"]}), names)
    files = [record["row"].get(name) for name in FILES]
    if record["key"] != key or not all(Path(file).exists() for file in files if file):
        return None
    return record["row"]
