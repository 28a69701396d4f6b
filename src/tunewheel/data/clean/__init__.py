"""Repairs of a dataset: named, in a fixed order, each row they touch written down with the reason."""

from tunewheel.data.clean.cleaning import Cleaned, Repairs, clean

__all__ = ["Cleaned", "Repairs", "clean"]
