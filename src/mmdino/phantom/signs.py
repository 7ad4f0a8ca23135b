"""The signs of a tumour, how often each subtype shows them, and what a perfect reader of signs could reach."""

from dataclasses import astuple, dataclass

import numpy as np

from mmdino.tables import CLASSES

ENHANCEMENT = ("none", "patchy", "ring")
NECROSIS_GIVEN_ENHANCEMENT = {"none": 0.08, "patchy": 0.12, "ring": 0.65}


@dataclass(frozen=True)
class Signs:
    """What a radiologist would see; each is visible only in the sequences of :data:`READABLE_IN`."""

    enhancement: str
    necrosis: bool
    oedema: bool
    mismatch: bool
    heterogeneity: bool
    specks: bool
    cortical: bool
    indistinct: bool


BINARY = ("oedema", "mismatch", "heterogeneity", "specks", "cortical", "indistinct")
READABLE_IN = {
    "enhancement": {"t1c"},
    "oedema": {"flair", "t2"},
    "mismatch": {"flair"},
    "heterogeneity": {"t2"},
    "specks": {"t2"},
    "cortical": {"t1", "t1c", "t2", "flair"},
    "indistinct": {"t2", "flair"},
}


@dataclass(frozen=True)
class Variant:
    """How hard the phantom is: class priors, and P(sign | class) with classes in the order of ``tables.CLASSES``."""

    priors: tuple[float, ...]
    enhancement: tuple[tuple[float, ...], ...]
    binary: dict[str, tuple[float, ...]]


HARD = Variant(
    priors=(0.18, 0.70, 0.12),
    enhancement=((0.70, 0.24, 0.06), (0.10, 0.14, 0.76), (0.54, 0.38, 0.08)),
    binary={
        "oedema": (0.28, 0.72, 0.28),
        "mismatch": (0.72, 0.03, 0.05),
        "heterogeneity": (0.15, 0.50, 0.72),
        "specks": (0.05, 0.06, 0.70),
        "cortical": (0.35, 0.28, 0.75),
        "indistinct": (0.25, 0.25, 0.70),
    },
)


def _sharpen(probabilities: tuple[float, ...], power: float = 1.25) -> tuple[float, ...]:
    raised = [p**power for p in probabilities]
    return tuple(p / sum(raised) for p in raised)


VARIANTS = {
    "hard": HARD,
    "default": Variant(
        priors=(0.30, 0.45, 0.25),
        enhancement=tuple(_sharpen(row) for row in HARD.enhancement),
        binary={name: tuple(_sharpen((p, 1 - p))[0] for p in row) for name, row in HARD.binary.items()},
    ),
}


def draw_signs(variant: Variant, generator: np.random.Generator) -> tuple[str, Signs]:
    """Draw a class, and its signs given the class."""
    which = int(generator.choice(len(CLASSES), p=variant.priors))
    enhancement = ENHANCEMENT[generator.choice(3, p=variant.enhancement[which])]
    necrosis = bool(generator.random() < NECROSIS_GIVEN_ENHANCEMENT[enhancement])
    seen = {name: bool(generator.random() < variant.binary[name][which]) for name in BINARY}
    return CLASSES[which], Signs(enhancement=enhancement, necrosis=necrosis, **seen)


def posterior(variant: Variant, signs: Signs, sequences: tuple[str, ...]) -> np.ndarray:
    """Return P(class | the signs that ``sequences`` can show), (3,). Necrosis adds nothing once enhancement is known."""
    weight = np.array(variant.priors)
    if READABLE_IN["enhancement"] & set(sequences):
        weight *= [row[ENHANCEMENT.index(signs.enhancement)] for row in variant.enhancement]
    for name in BINARY:
        if READABLE_IN[name] & set(sequences):
            shown = np.array(variant.binary[name])
            weight *= shown if getattr(signs, name) else 1 - shown
    return weight / weight.sum()


def as_row(signs: Signs) -> dict[str, object]:
    """Return the signs as cells of the truth table."""
    return dict(zip(Signs.__dataclass_fields__, astuple(signs)))
