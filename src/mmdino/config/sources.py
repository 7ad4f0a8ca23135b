"""Where the value of a setting comes from: the paper, its released code, or us."""

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.config import JsonDict

PAPER: JsonDict = {"source": "paper"}
CODE: JsonDict = {"source": "released code"}
MENDED: JsonDict = {"source": "ours (mends the released code)"}
OURS = "ours"
Rule = Literal["mended", "released"]  # of what the released code does wrong: done right, or as there
PAPER_OR_CODE = (PAPER["source"], CODE["source"])


def sources(model: type[BaseModel]) -> dict[str, str]:
    """Return the source of each field's default; a field that names none is ours."""
    return {name: _source(field.json_schema_extra) for name, field in model.model_fields.items()}


def _source(extra: Any) -> str:
    return str(extra["source"]) if isinstance(extra, dict) and "source" in extra else OURS
