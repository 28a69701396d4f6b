"""Search over settings: `tunewheel tune`."""
