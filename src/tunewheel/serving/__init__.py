"""The service: versions answering over HTTP."""
