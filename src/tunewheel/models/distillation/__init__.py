"""Distillation: a small student learns from what a teacher says of unlabelled and labelled text."""
