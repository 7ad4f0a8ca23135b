"""``python -m mmdino``."""

from mmdino.cli import main

main()
