"""What README and docs point at is there: files, headings, commands and their options."""

import re
from pathlib import Path

import pytest
import typer.main

from mmdino.cli import app

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "config" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
MADE = ("reference/",)  # pages that `make docs` makes


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http", *MADE)):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    program = typer.main.get_command(app)
    for line in re.findall(r"mmdino ([a-z][a-z-]*(?: [^`\n#]*)?)", "\n".join(commands(page))):
        words = line.split()
        verb = program.commands.get(words[0])
        assert verb is not None, f"{page.name}: mmdino {words[0]}"
        known = {option for parameter in verb.params for option in parameter.opts} | {"--help"}
        for sub in getattr(verb, "commands", {}).values():
            known |= {option for parameter in sub.params for option in parameter.opts}
        asked = {word.partition("=")[0] for word in words[1:] if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
        assert "--" in words or asked <= known, f"{page.name}: mmdino {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_but_options_follows_config(page):
    """``--config study=paper ablations`` would read the target as one more setting, and fail."""
    for block in commands(page):
        for line in block.splitlines():
            command = line.partition("#")[0]
            if "snakemake" in command and "--config" in command:
                behind = command.partition("--config")[2].split()
                free = [word for word in behind if "=" not in word]
                assert not free or free[0].startswith("-"), f"{page.name}: {line}"


def commands(page: Path) -> list[str]:
    """Return what stands in code, inline or in blocks."""
    text = page.read_text()
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.S) + re.findall(r"^ {4}(\S.*)$", text, flags=re.M)
    return [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]
