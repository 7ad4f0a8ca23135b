"""All figures of the report: drawn and written as files, and brought onto the page from there."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure
from tqdm import tqdm

from mmdino.insight.record import Insight
from mmdino.reporting.captions import CAPTIONS
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
            CAPTIONS["external-mcc"],
            "tables/main.tsv",
        ),
        "ablations": Plan(
            lambda: forest(data, found.ablations, "Ablations: external test"),
            CAPTIONS["ablations"],
            "tables/ablations.tsv",
        ),
        "fractions": Plan(
            lambda: fraction_curves(data, [*found.main, *found.ablations]),
            CAPTIONS["fractions"],
            "tables/ablations.tsv",
        ),
        "missing-sequences": Plan(
            lambda: heat_map(data, cells),
            CAPTIONS["missing-sequences"],
            "tables/missing-sequences.tsv",
        ),
        "by-count": Plan(
            lambda: by_count(data, [cell for cell in found.by_count if cell.arm in default]),
            CAPTIONS["by-count"],
            "tables/missing-sequences.tsv",
        ),
        "one-missing": Plan(
            lambda: one_missing(data, cells),
            CAPTIONS["one-missing"],
            "tables/missing-sequences.tsv",
        ),
        "random-missing": Plan(
            lambda: random_missing(data, at_random),
            CAPTIONS["random-missing"],
            "tables/random-missing.tsv",
        ),
        "confusion": Plan(
            lambda: confusion_matrices(data),
            CAPTIONS["confusion"],
            "runs/*/seed-*/predictions.parquet",
        ),
        "cost": Plan(
            lambda: mcc_by_cost(data, found.main),
            CAPTIONS["cost"],
            "tables/cost.tsv",
        ),
        "groups": Plan(
            lambda: mcc_by_group(data, [row for row in found.groups if row.arm in default]),
            CAPTIONS["groups"],
            "tables/groups.tsv",
        ),
        "calibration": Plan(
            lambda: reliability_diagrams(data, [row for row in found.calibration if row.arm in default]),
            CAPTIONS["calibration"],
            "tables/calibration.tsv",
        ),
        "selective": Plan(
            lambda: risk_coverage_curves(data, [row for row in found.selective if row.arm in default]),
            CAPTIONS["selective"],
            "tables/selective.tsv",
        ),
        "mistakes": Plan(
            lambda: surest_mistakes(data, found.mistakes),
            CAPTIONS["mistakes"],
            "tables/mistakes.tsv, insight/tokens.npz",
        ),
        **_insight_plans(data),
        "flow": Plan(
            lambda: flow_diagram(data),
            CAPTIONS["flow"],
            "tables/flow.tsv",
        ),
        "quality": Plan(
            lambda: quality_distributions(data),
            CAPTIONS["quality"],
            "tables/quality.tsv, tables/flagged.tsv",
        ),
        "training": Plan(
            lambda: training_curves(data),
            CAPTIONS["training"],
            "runs/*/seed-*/log.jsonl",
        ),
    }


def _insight_plans(data: StudyFiles) -> dict[str, Plan]:
    found = data.insight or Insight("", 0)
    return {
        "attention": Plan(
            lambda: attention_by_sequence(data, found),
            CAPTIONS["attention"],
            "insight/insight.json",
        ),
        "tokens": Plan(
            lambda: token_colours(data),
            f"{CAPTIONS['tokens']} They show {100 * found.explained:.0f} % of the tokens' variance.",
            "insight/tokens.npz",
        ),
        "feature-map": Plan(
            lambda: feature_map(data, found),
            CAPTIONS["feature-map"],
            "insight/patients.parquet",
        ),
        "embeddings": Plan(
            lambda: embedding_similarity(data, found),
            CAPTIONS["embeddings"],
            "insight/insight.json",
        ),
    }


def sources(data: StudyFiles, found: Statistics) -> dict[str, str]:
    """Return, by figure, the file in which its numbers lie."""
    return {name: plan.source for name, plan in _plans(data, found).items()}


def write_figures(data: StudyFiles, found: Statistics) -> None:
    """Write ``figures/`` (PDF, SVG, PNG); one that has no numbers any more is removed."""
    folder = data.out / "figures"
    for name, plan in tqdm(_plans(data, found).items(), desc="figures", unit="figure", disable=None):
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
