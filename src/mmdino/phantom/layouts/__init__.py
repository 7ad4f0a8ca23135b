"""How phantoms are laid out on disk: as an archive unpacks, a layout a file, called like the adapter that reads it.

A layout offers three functions:

- ``subject(cohort, number)``: the id of a cohort's n-th patient (from 1), as the adapter calls it;
- ``place(case, kind)``: where a sequence or ``seg`` lies below the cohort's folder;
- ``write_tables(root, cases)``: write the tables of labels and what else is not a scan.

Names, columns and values are those of the real archives, spelt here and not taken from the adapters, so that one tests
the other. A class that a table tells is told under every setting of ``labels:``. Age and sex are blank, and voxels are
the same in all layouts.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Case:
    """A phantom patient for its archive: its id there, its class (of ``tables.CLASSES``) and its scanner site."""

    subject: str
    label: str
    site: str


def load_layout(name: str) -> ModuleType:
    """Return a layout by its name, one of ``config.phantom.PlacedAs``."""
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
