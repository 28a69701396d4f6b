"""Readers: a file in, raw `Record` s out, one at a time."""
