"""Differential privacy: training that tells next to nothing of any one row, or of any one customer's rows."""

from tunewheel.models.private.privacy import Privacy

__all__ = ["Privacy"]
