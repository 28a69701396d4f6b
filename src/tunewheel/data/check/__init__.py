"""What is wrong with a dataset, how often, at what cost and by which command it is mended."""

from __future__ import annotations

from tunewheel.data.check.findings import Example, Finding, Severity
from tunewheel.data.check.inspect import FAMILIES, CheckError, check
from tunewheel.data.check.inspection import Inspection

__all__ = ["FAMILIES", "CheckError", "Example", "Finding", "Inspection", "Severity", "check"]
