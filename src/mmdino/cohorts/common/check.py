"""``mmdino cohorts check``: what lies in each folder, in words, before anything is computed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mmdino.cohorts import load_adapter, recognise, require_sound, sessions
from mmdino.cohorts.common.sessions import Scan
from mmdino.cohorts.common.tree import Tree, walk
from mmdino.config import Labels
from mmdino.errors import UserError
from mmdino.nifti import BadVolume, require_whole
from mmdino.tables import CLASSES, PERSON, SEQUENCES

# Tried where no published layout fits, in this order: the authors' files are called sub-… as those of BIDS are.
WITHOUT_LAYOUT = {
    "mm-dinov2": "the layout of MM-DINOv2's released code",
    "bids": "a BIDS data set",
    "folder": "the plain layout",
}
MOST = 8  # problems of one kind that are listed


def check_folders(paths: Iterable[Path]) -> list[str]:
    """Return a paragraph for each folder and cohort in it; what is wrong with one folder leaves the others alone."""
    told: dict[Path, Path] = {}
    paragraphs = []
    for path in paths:
        real = path.resolve()
        outer = next((known for known in told if real.is_relative_to(known) or known.is_relative_to(real)), None)
        if outer is not None:
            paragraphs.append(
                f"{path}: lies with {told[outer]} in one folder, which one cohort alone may claim; not read again"
            )
            continue
        told[real] = path
        paragraphs += _check(path)
    return paragraphs


def _check(path: Path) -> list[str]:
    if not path.is_dir():
        return [f"{path}: there is no such folder"]
    tree = walk(path)
    names = list(recognise(tree))
    if not names:
        names = [name for name in WITHOUT_LAYOUT if _fits(name, tree)][:1]
    if not names:
        return [_lines(f"{path}: holds no cohort that is known", _listed(tree.problems))]
    return [_cohort(name, tree) for name in names]


def _cohort(name: str, tree: Tree) -> str:
    adapter = load_adapter(name)
    layout = getattr(adapter, "LAYOUT", None)
    title = f"{tree.root}: {layout.title if layout else WITHOUT_LAYOUT[name]} (adapter: {name}"
    title += f", stage: {layout.stage})" if layout else ")"
    try:
        scan = _scan(name, tree)
        require_sound(sessions(scan), tree.root)
    except UserError as error:
        return _lines(title, [f"cannot be used: {error}"])
    usable = [row for row in scan.rows if not row.get("excluded")]
    patients = {row["subject"] for row in usable}
    published = f" (published: {layout.patients})" if layout else ""
    counted = [f"patients: {len(patients)}{published}; sessions on disk: {len(scan.rows)}"]
    lost = sorted({row["subject"] for row in scan.rows} - patients)
    if lost:
        counted.append(f"patients without any usable session: {len(lost)}: {', '.join(_listed(lost))}")
    counts = {kind: sum(bool(row.get(kind)) for row in usable) for kind in (*SEQUENCES, "seg", *PERSON)}
    told = [f"{kind} {count}" for kind, count in counts.items() if count or kind not in PERSON]
    counted.append(f"of them with {', '.join(told)}")
    labels = Counter(row.get("label", "") for row in usable)
    counted.append("labels: " + ", ".join(f"{label or 'none'} {labels[label]}" for label in (*CLASSES, "")))
    incomplete = [
        f"{row['subject']}: lacks {' and '.join(kind for kind in SEQUENCES if not row.get(kind))}"
        for row in usable
        if not all(row.get(kind) for kind in SEQUENCES)
    ]
    unlabelled = Counter(
        row["label_source"].removeprefix("unlabelled: ").split(" (")[0]
        for row in usable
        if not row.get("label") and row.get("label_source")
    )
    excluded = [f"{row['subject']}: {row['excluded']}" for row in scan.rows if row.get("excluded")]
    return _lines(
        title,
        counted,
        *_section("without label", [f"{count} × {why}" for why, count in unlabelled.most_common()], unlabelled.total()),
        *_section("sequences missing", incomplete),
        *_section("excluded", excluded),
        *_section("wrong", [*tree.problems, *scan.problems, *_damaged(tree, usable)]),
    )


def _fits(name: str, tree: Tree) -> bool:
    """Return whether a layout without names of its own finds patients, or a table of its that cannot be used."""
    try:
        return bool(_scan(name, tree).rows)
    except UserError:
        return True


def _scan(name: str, tree: Tree) -> Scan:
    return load_adapter(name).scan(tree, Labels())


def _damaged(tree: Tree, rows: list[dict]) -> list[str]:
    """Return a sentence for each file of the sessions that breaks off."""
    found = []
    for path in (row[kind] for row in rows for kind in (*SEQUENCES, "seg") if row.get(kind)):
        try:
            require_whole(tree.root / path)
        except BadVolume as error:
            found.append(str(error))
    return found


def _section(title: str, entries: list[str], count: int = 0) -> list[list[str]]:
    return [[f"{title}: {count or len(entries)}", *(f"  {entry}" for entry in _listed(entries))]] if entries else []


def _listed(entries: Iterable[str]) -> list[str]:
    entries = list(entries)
    return entries[:MOST] + ([f"… and {len(entries) - MOST} more"] if len(entries) > MOST else [])


def _lines(title: str, *parts: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for part in parts for line in part)])
