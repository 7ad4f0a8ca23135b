"""Age and sex as the cohorts' tables tell them, by whatever heading; nothing is guessed from a value that is none."""

import re
from collections.abc import Mapping

HEADINGS = {
    "age": ("Age", "Age at MRI", "Age at scan years", "Age at scan", "Age at surgery", "Age at diagnosis"),
    "sex": ("Sex", "Gender"),
}
SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}
YEARS = re.compile(r"0*(\d{1,3}([.,]\d+)?) ?(y|years)?", re.IGNORECASE)  # 060Y, as DICOM has it
OLDEST = 120


def person(told: Mapping[str, str]) -> dict[str, str]:
    """Return ``age`` in years and ``sex`` (male, female) as text, each empty where what was told is neither.

    Args:
        told: what a table says under ``age`` and ``sex``; either may be absent.
    """
    years = YEARS.fullmatch(told.get("age", ""))
    age = years[1].replace(",", ".") if years else ""
    return {
        "age": age if age and 0 < float(age) <= OLDEST else "",
        "sex": SEXES.get(told.get("sex", "").casefold(), ""),
    }
