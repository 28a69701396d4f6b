"""The commands as ``python -m tunewheel.cli``."""

from tunewheel.cli import main

main()
