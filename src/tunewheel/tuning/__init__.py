"""Which settings and which road are best: search and comparison, never on test."""
