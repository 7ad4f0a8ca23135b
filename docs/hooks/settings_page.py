"""The reference of all settings, from the models that read them: type, default, who chose it, what it means."""

import importlib
from typing import Any

from pydantic import BaseModel

from mmdino.config import Experiment, Study
from mmdino.config.chosen import Chosen
from mmdino.config.experiment import known_methods
from mmdino.config.published import Published
from mmdino.config.sources import sources

INTRO = """# Configuration

Every key of the YAML files in `config/`, read from the models that refuse anything else. *Who chose it* says where a
default comes from: the paper, its released code, or us; `mmdino show-config <experiment>` prints the same for what an
experiment resolves to.
"""
# Keys that stand above the models: they say from which other lines of YAML the model's are put together.
EXTENDS = """One key more: `extends: <file>`, a study beside this one (`extends: phantom.yaml`), whose keys count where this
one says nothing. A key that is here replaces the other's whole, `methods` setting by setting; `name`, `title`, `remarks`
and `tuned` are always its own."""
VARIANTS = """One key more: `variants`, lines of `<variant>: {what it changes}`. Each is an experiment of its own, called
`<name>-<variant>`: its keys replace the file's, its `settings` and `data` are laid over them."""
LIMITS = {"exclusiveMinimum": "> {}", "minimum": "≥ {}", "exclusiveMaximum": "< {}", "maximum": "≤ {}"}


def page() -> str:
    """Return the page as Markdown."""
    parts = [INTRO, "## What is run, and where: `config/config.yaml`", _models(Chosen)]
    parts += ["## A study: `config/studies/<name>.yaml`", EXTENDS, _models(Study)]
    parts += ["## An experiment: `config/experiments/<name>.yaml`", VARIANTS, _models(Experiment)]
    parts.append("## Settings of the methods")
    parts.append("Under `methods.<method>` of a study, or `settings` of an experiment; the experiment's count.")
    for name in known_methods():
        settings = importlib.import_module(f"mmdino.methods.{name.replace('-', '_')}.settings").Settings
        parts += [f"### {name}", settings.__doc__ or "", _table(settings, settings.model_json_schema())]
    parts += ["## The paper's figures: `config/published.yaml`", _models(Published)]
    return "\n\n".join(parts) + "\n"


def _models(model: type[BaseModel]) -> str:
    """Return the tables of a model and of those that its fields hold."""
    schema = model.model_json_schema()
    parts = [model.__doc__ or "", _table(model, schema)]
    for name, nested in schema.get("$defs", {}).items():
        parts += [f"### {name}", nested.get("description", ""), _rows(nested, {})]
    return "\n\n".join(parts)


def _table(model: type[BaseModel], schema: dict[str, Any]) -> str:
    return _rows(schema, sources(model))


def _rows(schema: dict[str, Any], chosen: dict[str, str]) -> str:
    """Return a Markdown table of an object schema's properties."""
    lines = []
    for name, field in schema.get("properties", {}).items():
        default = "needed" if name in schema.get("required", []) else _default(field)
        cells = [f"`{name}`", _kind(field), default, chosen.get(name, ""), field.get("description", "")]
        lines.append(cells if chosen else [*cells[:3], cells[4]])
    if not lines:
        return "It has no settings."
    head = ["key", "type", "default", *(["who chose it"] if chosen else []), "meaning"]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in [head, ["---"] * len(head), *lines])


def _kind(field: dict[str, Any]) -> str:
    """Return a field's type in words, with its limits."""
    if "anyOf" in field:
        return " or ".join(_kind(part) for part in field["anyOf"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        parts = field.get("prefixItems") or [field.get("items", {})]
        return f"list of {', '.join(dict.fromkeys(_kind(part) for part in parts))}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"name: {_kind(field['additionalProperties'])}"
    limits = " ".join(words.format(field[key]) for key, words in LIMITS.items() if key in field)
    kind = {"object": "mapping", "null": "empty"}.get(field.get("type", "any"), field.get("type", "any"))
    return f"{kind} {limits}".strip()


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if isinstance(value, dict) and value:
        return "its own"
    return "" if value is None else f"`{value}`" if value != "" else "empty"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
