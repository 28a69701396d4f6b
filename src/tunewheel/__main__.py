"""The commands as ``python -m tunewheel``."""

from tunewheel.cli import main

if __name__ == "__main__":
    main()
