"""All figures of the report: drawn and written as files, and brought onto the page from there."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from mmdino.insight.record import Insight
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.figures import style
from mmdino.reporting.figures.by_count import by_count
from mmdino.reporting.figures.calibration import reliability_diagrams
from mmdino.reporting.figures.confusion import confusion_matrices
from mmdino.reporting.figures.cost import mcc_by_cost
from mmdino.reporting.figures.flow import flow_diagram
from mmdino.reporting.figures.forest import forest
from mmdino.reporting.figures.fractions import fraction_curves
from mmdino.reporting.figures.groups import mcc_by_group
from mmdino.reporting.figures.insight import attention_by_sequence, embedding_similarity, feature_map
from mmdino.reporting.figures.main import external_mcc
from mmdino.reporting.figures.missing import heat_map, one_missing, random_missing
from mmdino.reporting.figures.quality import quality_distributions
from mmdino.reporting.figures.selective import risk_coverage_curves
from mmdino.reporting.figures.slices import surest_mistakes, token_colours
from mmdino.reporting.figures.training import training_curves
from mmdino.reporting.statistics import Statistics
from mmdino.reporting.svg import inline


@dataclass(frozen=True)
class Drawn:
    """A figure on the page."""

    svg: Markup
    name: str
    caption: str
    source: str


@dataclass(frozen=True)
class Plan:
    """How a figure is drawn (None where there are no numbers), what is said below it, and where its numbers lie."""

    draw: Callable[[], Figure | None]
    caption: str
    source: str


def _plans(data: StudyFiles, found: Statistics) -> dict[str, Plan]:
    """Return every figure's plan. Missing sequences are drawn for the study's default arms; the table has all."""
    default = data.study.default
    cells = [cell for cell in found.missing if cell.arm in default]
    at_random = [cell for cell in found.random if cell.arm in default]
    return {
        "external-mcc": Plan(
            lambda: external_mcc(data, found.main, "External test, all four sequences"),
            "MCC of each arm on the external test with its 95 % interval over patients (thick) and over patients and "
            "seeds (thin, where there are several); dashed: majority class and sign oracle.",
            "tables/main.tsv",
        ),
        "ablations": Plan(
            lambda: forest(data, found.ablations, "Ablations: external test"),
            "MCC of each ablation that was run minus the reference's, on the same patients, in the order of the study. Thick: "
            "over patients; thin: over patients and seeds.",
            "tables/ablations.tsv",
        ),
        "fractions": Plan(
            lambda: fraction_curves(data, [*found.main, *found.ablations]),
            "What arms reach with fewer labels, and with fewer patients without one; at 100 % stands the plain arm.",
            "tables/ablations.tsv",
        ),
        "missing-sequences": Plan(
            lambda: heat_map(data, cells),
            "MCC by sequences at hand. Filled dots: the patient has the sequence. An arm read out by its own head "
            "is never refitted and stands under transfer only.",
            "tables/missing-sequences.tsv",
        ),
        "by-count": Plan(
            lambda: by_count(data, [cell for cell in found.by_count if cell.arm in default]),
            "The fewer sequences, the less the signs themselves allow: the sign oracle is the ceiling, naming always one class "
            "the floor (dashed).",
            "tables/missing-sequences.tsv",
        ),
        "one-missing": Plan(
            lambda: one_missing(data, cells),
            "The cases that a clinic meets: everything is there, or one sequence is missing.",
            "tables/missing-sequences.tsv",
        ),
        "random-missing": Plan(
            lambda: random_missing(data, at_random),
            "Each patient lacks each sequence with the same probability, and keeps at least one.",
            "tables/random-missing.tsv",
        ),
        "confusion": Plan(
            lambda: confusion_matrices(data),
            "Rows: true class; columns: predicted class; patients, and their share of the row.",
            "runs/*/seed-*/predictions.parquet",
        ),
        "cost": Plan(
            lambda: mcc_by_cost(data, found.main),
            "CPU time of one training; what its starting weights had cost is not in it.",
            "tables/cost.tsv",
        ),
        "groups": Plan(
            lambda: mcc_by_group(data, [row for row in found.groups if row.arm in default]),
            "MCC of the study's default arms on each cohort, and on each site of a cohort that has several. "
            "Validation chose settings and weights.",
            "tables/groups.tsv",
        ),
        "calibration": Plan(
            lambda: reliability_diagrams(data, [row for row in found.calibration if row.arm in default]),
            "How often an arm is right by how sure it is, in ten bins, with 95 % intervals (Wilson); grey: after "
            "temperature scaling fitted on validation. Seeds are pooled.",
            "tables/calibration.tsv",
        ),
        "selective": Plan(
            lambda: risk_coverage_curves(data, [row for row in found.selective if row.arm in default]),
            "Error rate among the patients who are answered, the surest first; band: the reference arm's 95 % interval "
            "over patients.",
            "tables/selective.tsv",
        ),
        "mistakes": Plan(
            lambda: surest_mistakes(data, found.mistakes),
            "The slice that was judged, with the tumour's outline, and beside it what the CLS token of the first seed attends to "
            "on each sequence in its last block (brighter: more; one scale a patient). In brackets: confidence, mean over seeds.",
            "tables/mistakes.tsv, insight/tokens.npz",
        ),
        **_insight_plans(data),
        "flow": Plan(
            lambda: flow_diagram(data),
            "Who is left after each step, and who was lost on the way, with the most frequent reasons. Sessions as far as "
            "quality control, then patients.",
            "tables/flow.tsv",
        ),
        "quality": Plan(
            lambda: quality_distributions(data),
            "Boxes: quartiles; whiskers: 1st to 99th percentile; points: beyond, or everybody in a cohort of few. A slab's "
            "brain volume is not judged. Those flagged are named in the table of outliers.",
            "tables/quality.tsv, tables/flagged.tsv",
        ),
        "training": Plan(
            lambda: training_curves(data),
            "Losses of different methods are different sums and don't compare. Ringed: the weights that were kept. "
            "A teacher whose entropy stays at the dashed line tells its student nothing.",
            "runs/*/seed-*/log.jsonl",
        ),
    }


def _insight_plans(data: StudyFiles) -> dict[str, Plan]:
    found = data.insight or Insight("", 0)
    return {
        "attention": Plan(
            lambda: attention_by_sequence(data, found),
            "Left: share of CLS's attention to patches by sequence and block (mean over heads and patients, 95 % "
            "intervals); dashed: even. Right: attention on tumour patches by what even attention to the brain would put "
            "there; dashed: no preference.",
            "insight/insight.json",
        ),
        "tokens": Plan(
            lambda: token_colours(data),
            "First three principal components of the last block's patch tokens as red, green and blue, one PCA for all "
            f"patients and sequences; they show {100 * found.explained:.0f} % of the tokens' variance. Black: no brain.",
            "insight/tokens.npz",
        ),
        "feature-map": Plan(
            lambda: feature_map(data, found),
            "t-SNE of the features, the same map three times. Circles: training; squares: validation; triangles: external "
            "test, whose labels serve the colours alone.",
            "insight/patients.parquet",
        ),
        "embeddings": Plan(
            lambda: embedding_similarity(data, found),
            "Cosine of the embeddings that tell the network which sequence a patch is from.",
            "insight/insight.json",
        ),
    }


def sources(data: StudyFiles, found: Statistics) -> dict[str, str]:
    """Return, by figure, the file in which its numbers lie."""
    return {name: plan.source for name, plan in _plans(data, found).items()}


def write_figures(data: StudyFiles, found: Statistics) -> None:
    """Write ``figures/`` (PDF, SVG, PNG); one that has no numbers any more is removed."""
    folder = data.out / "figures"
    for name, plan in _plans(data, found).items():
        with style.styled():
            figure = plan.draw()
            if figure is not None:
                style.save(figure, folder, name)
            else:
                for old in folder.glob(f"{name}.*"):
                    old.unlink()


def drawn(data: StudyFiles, found: Statistics) -> dict[str, Drawn]:
    """Return the figures that are there, ready for the page."""
    shown = {}
    for name, plan in _plans(data, found).items():
        path = data.out / "figures" / f"{name}.svg"
        if path.exists():
            shown[name] = Drawn(inline(path, plan.caption), name, plan.caption, plan.source)
    return shown
