"""What MkDocs calls: pages of the reference are made from the code when the site is built (mkdocs.yml)."""

import commands_page
import settings_page
import tables_page
from mkdocs.structure.files import File

MADE = {"reference/configuration.md": settings_page.page, "reference/commands.md": commands_page.page}


def on_files(files, config):
    """Add the pages that lie in no file."""
    for path, page in MADE.items():
        files.append(File.generated(config, path, content=page()))
    return files


def on_page_markdown(markdown, page, config, files):
    """Show the tables as they are in the code, whatever the file says."""
    return tables_page.filled(markdown) if page.file.src_uri == "data-contracts.md" else markdown
