"""Which Python the workflow's rules run, where libraries keep what they fetch, and which code results depend on."""

import ast
import os
import sys
from functools import cache
from pathlib import Path

from mmdino.errors import UserError
from mmdino.files import content_key

PACKAGE = Path(__file__).parents[1]
CACHES = {
    "HF_HOME": "huggingface",
    "MPLCONFIGDIR": "matplotlib",
    "TORCH_HOME": "torch",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
    "XDG_CACHE_HOME": "xdg",
}


def use_this_python() -> None:
    """Make ``python -m mmdino`` in a rule mean this interpreter and this package.

    So that ``.venv/bin/snakemake`` works without activating anything. A rule's conda environment, activated later,
    comes before it in PATH and finds the package through PYTHONPATH.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["PYTHONPATH"] = str(PACKAGE.parent)


def keep_caches_in(folder: str | None) -> None:
    """Point the libraries' caches into ``folder``, in every job too; a home with a quota is no place for them.

    What the user has set already stays. nnU-Net's own folders are temporary ones of each job (``preprocess.environment``).
    """
    if folder:
        for name, below in CACHES.items():
            os.environ.setdefault(name, str(Path(folder).absolute() / below))


def require_writable(folder: Path | str, what: str = "results") -> None:
    """Refuse a folder before anything is queued that cannot be written or made, or whose file system is not there.

    Raises:
        UserError: naming the folder and what to do.
    """
    path = Path(folder).absolute()
    there = path if path.exists() else path.parent
    if not there.is_dir():
        raise UserError(
            f"{path}: there is no folder {there}; make it, mount its file system, or point {what} (config/config.yaml) elsewhere"
        )
    if not os.access(there, os.W_OK):
        raise UserError(
            f"{path}: {there} cannot be written; give yourself write permission or point {what} (config/config.yaml) elsewhere"
        )


@cache  # several rules depend on the same code
def code_key(folder: str, leave_out: str = "") -> str:
    """Return a key of a folder (or file) of the package, by which a rule runs again when its code changes.

    Comments and layout of Python files don't count; other files count byte by byte.

    Args:
        folder: below ``src/mmdino``, e.g. ``reporting``.
        leave_out: a folder below it that doesn't count.
    """
    there = PACKAGE / folder
    found = [there] if there.is_file() else sorted(there.rglob("*"))
    paths = [path for path in found if path.suffix in (".py", ".html", ".css", ".js")]
    counted = [path for path in paths if not leave_out or PACKAGE / leave_out not in path.parents]
    return content_key([[path.relative_to(PACKAGE).as_posix(), _meaning(path)] for path in counted])


def _meaning(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return ast.dump(ast.parse(text)) if path.suffix == ".py" else text
