"""Rollouts: a candidate answers beside the champion, for nobody, then for some, and takes its place or goes."""
