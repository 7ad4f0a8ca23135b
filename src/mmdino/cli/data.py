"""From folders as downloaded to the slices that training reads."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmdino.cli.options import CohortName, Out, StudyFile
from mmdino.errors import UserError

PANEL = "Data"
verbs = typer.Typer()


@verbs.command(rich_help_panel=PANEL)
def phantom(
    study: StudyFile,
    cohort: CohortName,
    out: Annotated[Path, typer.Option("--out", help="The cohort's folder of scans.")],
    truth: Annotated[Path, typer.Option("--truth", help="The folder of the truth, for tests and the report only.")],
) -> None:
    """Make a phantom cohort: synthetic patients, laid out as a downloaded cohort."""
    from mmdino.config import load_study
    from mmdino.phantom.cohort import write_cohort

    chosen = load_study(study, check=False).cohort(cohort)
    if chosen.phantom is None:
        raise UserError(f"{study}: cohort '{cohort}' is found on disk ('path'), not made; there is nothing to do")
    write_cohort(cohort, chosen.phantom, chosen.stage, out, truth)


@verbs.command(rich_help_panel=PANEL)
def manifest(
    study: StudyFile,
    cohort: CohortName,
    root: Annotated[Path, typer.Option("--root", help="Where the cohort lies.")],
    out: Out,
) -> None:
    """List what a cohort holds on disk: a row a session."""
    from mmdino.cohorts import build_manifest
    from mmdino.config import load_study
    from mmdino.tables import MANIFEST, write_table

    loaded = load_study(study, check=False)
    write_table(MANIFEST, build_manifest(cohort, loaded.cohort(cohort), root, loaded.study.labels), out)


@verbs.command(rich_help_panel=PANEL)
def preprocess(
    study: StudyFile,
    cohort: CohortName,
    manifest: Annotated[Path, typer.Option("--manifest", help="The cohort's manifest.tsv.")],
    shard: Annotated[int, typer.Option("--shard", min=0, help="Which of the study's shards.")],
    derivatives: Annotated[Path, typer.Option("--derivatives", help="The folder of the BIDS derivatives.")],
    out: Out,
) -> None:
    """Register, skull-strip and segment the patients of one shard."""
    from mmdino.config import load_study
    from mmdino.files import bucket
    from mmdino.preprocess.shard import run_shard
    from mmdino.tables import MANIFEST, PREPROCESSED, read_table, write_table

    loaded = load_study(study, check=False)
    rows = read_table(MANIFEST, manifest)
    mine = [bucket(subject, loaded.study.shards) == shard for subject in rows["subject"]]
    settings = loaded.study.preprocess
    done = run_shard(cohort, loaded.cohort(cohort), settings, rows[mine], derivatives, everybody=rows)
    write_table(PREPROCESSED, done, out)


@verbs.command(rich_help_panel=PANEL)
def gather(
    study: StudyFile,
    cohort: CohortName,
    shards: Annotated[list[Path], typer.Argument(help="Tables of preprocessed shards.")],
    manifest: Annotated[Path, typer.Option("--manifest", help="The cohort's manifest.tsv.")],
    out: Out,
) -> None:
    """Join a cohort's shards and judge their quality: flags, and who is left out."""
    from mmdino.config import load_study
    from mmdino.preprocess.quality.judge import gather_cohort
    from mmdino.tables import MANIFEST, PREPROCESSED, read_table, write_table

    found = read_table(MANIFEST, manifest)
    write_table(PREPROCESSED, gather_cohort(shards, found, load_study(study, check=False).study, cohort), out)


@verbs.command(rich_help_panel=PANEL)
def fingerprint(
    preprocessed: Annotated[Path, typer.Option("--preprocessed", help="A cohort's preprocessed.tsv.")], out: Out
) -> None:
    """Describe a cohort's brains in a few numbers each, by which copies are found."""
    from mmdino.leakage.fingerprint import fingerprint as describe_cohort
    from mmdino.tables import PREPROCESSED, read_table

    describe_cohort(read_table(PREPROCESSED, preprocessed)).save(out)


@verbs.command(rich_help_panel=PANEL)
def leakage(
    study: StudyFile,
    manifest: Annotated[list[Path], typer.Option("--manifest", help="A cohort's manifest.tsv; repeat.")],
    preprocessed: Annotated[list[Path], typer.Option("--preprocessed", help="A cohort's preprocessed.tsv; repeat.")],
    fingerprints: Annotated[list[Path], typer.Option("--fingerprints", help="A cohort's fingerprints.npz; repeat.")],
    out: Out,
    page: Annotated[Path, typer.Option("--page", help="The page of pairs that a person should look at.")],
) -> None:
    """Find patients who occur twice, in one cohort or in two."""
    import pandas as pd

    from mmdino.config import load_study
    from mmdino.leakage.audit import audit, summary
    from mmdino.leakage.fingerprint import Fingerprints
    from mmdino.leakage.page import write_page
    from mmdino.tables import LEAKAGE, MANIFEST, PREPROCESSED, read_table, write_table

    found = pd.concat([read_table(MANIFEST, path) for path in manifest])
    ready = pd.concat([read_table(PREPROCESSED, path) for path in preprocessed])
    pairs = audit(found, Fingerprints.load(fingerprints), load_study(study, check=False).study.leakage)
    write_page(pairs, ready, page)
    write_table(LEAKAGE, pairs, out)
    typer.echo("\n".join(summary(pairs)))


@verbs.command(rich_help_panel=PANEL)
def splits(
    study: StudyFile,
    manifest: Annotated[list[Path], typer.Option("--manifest", help="A cohort's manifest.tsv; repeat.")],
    preprocessed: Annotated[list[Path], typer.Option("--preprocessed", help="A cohort's preprocessed.tsv; repeat.")],
    out: Out,
    leakage: Annotated[Path | None, typer.Option("--leakage", help="leakage.tsv, if there was an audit.")] = None,
    policy: Annotated[
        Literal["remove-from-train", "keep"] | None,
        typer.Option("--policy", help="What becomes of patients who occur twice; else as the study says."),
    ] = None,
) -> None:
    """Say who trains, who validates and who is tested: by patient."""
    import pandas as pd

    from mmdino.config import load_study
    from mmdino.dataset.splits import make_splits, other_splits
    from mmdino.tables import LEAKAGE, MANIFEST, PREPROCESSED, SPLITS, read_table, write_table

    found = pd.concat([read_table(MANIFEST, path) for path in manifest])
    ready = pd.concat([read_table(PREPROCESSED, path) for path in preprocessed])
    pairs = read_table(LEAKAGE, leakage) if leakage else None
    settings = load_study(study, check=False).study
    if policy in (None, settings.leakage.policy):
        table = make_splits(settings, found, ready, pairs)
    else:
        table = other_splits(settings, found, ready, pairs, policy)
    write_table(SPLITS, table, out)


@verbs.command(rich_help_panel=PANEL)
def slices(
    study: StudyFile,
    preprocessed: Annotated[Path, typer.Option("--preprocessed", help="A cohort's preprocessed.tsv.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the slice bank.")],
) -> None:
    """Cut a cohort's slices into the memory-mapped bank that training reads."""
    from mmdino.config import load_study
    from mmdino.dataset.build import build_bank
    from mmdino.tables import PREPROCESSED, read_table

    build_bank(read_table(PREPROCESSED, preprocessed), load_study(study, check=False).study.bank, out)


@verbs.command(rich_help_panel=PANEL)
def volumes(
    study: StudyFile,
    preprocessed: Annotated[Path, typer.Option("--preprocessed", help="A cohort's preprocessed.tsv.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the volume bank.")],
) -> None:
    """Cut the volumes round a cohort's tumours into the bank that 3-D methods read."""
    from mmdino.config import load_study
    from mmdino.dataset.build import build_bank
    from mmdino.tables import PREPROCESSED, read_table

    build_bank(read_table(PREPROCESSED, preprocessed), load_study(study, check=False).study.volumes, out)
