"""The roads from a base to a task, side by side: `tunewheel compare`."""
