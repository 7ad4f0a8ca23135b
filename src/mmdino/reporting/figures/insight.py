"""What the model sees: attention by sequence, the map of features, patch tokens as colours, modality embeddings."""

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdino.insight.record import Insight
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.figures import style
from mmdino.reporting.text import SHOWN
from mmdino.tables import CLASSES

SAID = {"val": "validation", "test": "external test"}
TINTS = (style.REFERENCE, *style.COLOURS)
MARKS = {"train": "o", "val": "s", "test": "^"}
MOST_NAMES = 12  # in a legend; the rest is grey


def attention_by_sequence(data: StudyFiles, found: Insight) -> Figure | None:
    """Draw CLS's share of attention by sequence and block, and its pull to the tumour, on validation and external test."""
    if not found.attention:
        return None
    splits = [split for split in SAID if any(row["split"] == split for row in found.attention)]
    sequences = list(dict.fromkeys(row["sequence"] for row in found.attention))
    blocks = max(row["block"] for row in found.attention)
    figure = style.canvas(3.1)
    panels = figure.subplots(1, len(splits) + 1, width_ratios=[1.0] * len(splits) + [0.8])
    for axes, split in zip(panels, splits):
        for number, name in enumerate(sequences):
            rows = [row for row in found.attention if row["split"] == split and row["sequence"] == name]
            x = np.arange(1, blocks + 1) + (number - (len(sequences) - 1) / 2) * 0.06
            _errorbar(axes, x, rows, "share", number, SHOWN[name], "-")
        even = 1 / len(sequences)
        axes.axhline(even, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set(ylim=(0, None), xticks=range(1, blocks + 1), xlabel="block")
        n = next(row["n"] for row in found.attention if row["split"] == split)
        axes.set_title(f"{SAID[split]} (n = {n})")
        style.score_axis(axes, "y")
    panels[0].set_ylabel("share of attention to patches")
    _tumour(panels[-1], found, splits, sequences)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    style.headline(figure, data.titled("Where CLS looks"))
    return figure


def _tumour(axes: Axes, found: Insight, splits: list[str], sequences: list[str]) -> None:
    for number, name in enumerate(sequences):
        rows = [row for split in splits for row in found.tumour if (row["split"], row["sequence"]) == (split, name)]
        x = np.arange(len(rows)) + (number - (len(sequences) - 1) / 2) * 0.12
        _errorbar(axes, x, rows, "ratio", number, SHOWN[name], "none")
    axes.axhline(1, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.set_xticks(range(len(splits)), [SAID[split].replace(" ", "\n") for split in splits])
    axes.set_xlim(-0.5, len(splits) - 0.5)
    axes.set_title("tumour : brain")
    style.score_axis(axes, "y")


def _errorbar(axes: Axes, x: np.ndarray, rows: list[dict], key: str, number: int, label: str, line: str) -> None:
    value = [row[key] for row in rows]
    reach = [[row[key] - row["low"] for row in rows], [row["high"] - row[key] for row in rows]]
    axes.errorbar(x, value, yerr=np.abs(reach) if rows else None, color=TINTS[number], marker=style.MARKERS[number],
                  linestyle=line, elinewidth=1, label=label)  # fmt: skip


def feature_map(data: StudyFiles, found: Insight) -> Figure | None:
    """Draw the t-SNE map of the features three times: coloured by class, cohort and site."""
    patients = found.patients
    if len(patients) < 4:
        return None
    figure = style.canvas(3.9)
    panels = figure.subplots(1, 3)
    for axes, what in zip(panels, ("label", "cohort", "site")):
        names = [name for name in (CLASSES if what == "label" else patients[what].value_counts().index) if name]
        for number, name in [(-1, ""), *enumerate(names[:MOST_NAMES])]:
            kept = ~patients[what].isin(names[:MOST_NAMES]) if number < 0 else patients[what] == name
            for split, marker in MARKS.items():
                rows = patients[kept & (patients["split"] == split)]
                axes.scatter(rows["x"], rows["y"], s=7, marker=marker, linewidth=0, alpha=0.8,
                             color=style.MUTED if number < 0 else TINTS[number % len(TINTS)])  # fmt: skip
            if kept.any():
                said = ("no label" if what == "label" else "others") if number < 0 else name
                axes.scatter([], [], s=16, color=style.MUTED if number < 0 else TINTS[number % len(TINTS)], label=said)
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"by {'class' if what == 'label' else what} (n = {len(patients)})")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.01), fontsize=6.5, handletextpad=0.2)
    style.headline(figure, data.titled(f"Map of features (t-SNE of {found.readout})"))
    return figure


def embedding_similarity(data: StudyFiles, found: Insight) -> Figure | None:
    """Draw the cosines of the modality embeddings."""
    if not found.similarity or found.tokens is None:
        return None
    names = [SHOWN[name] for name in found.tokens.sequences]
    figure = style.canvas(2.6, 2.9)
    axes = figure.subplots()
    sns.heatmap(
        np.array(found.similarity), ax=axes, annot=True, fmt=".2f", vmin=-1, vmax=1, cmap="RdBu_r", cbar=False,
        square=True, linewidths=0.8, linecolor=style.PAPER, annot_kws={"fontsize": 7.5}, xticklabels=names,
        yticklabels=names,
    )  # fmt: skip
    style.readable(axes)
    axes.tick_params(length=0, rotation=0)
    style.headline(figure, data.titled("Modality embeddings"))
    return figure
