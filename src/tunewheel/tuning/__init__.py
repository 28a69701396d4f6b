"""Tuning: which road from a base to a task, and which settings, are best for some data; all of it decided on dev."""
