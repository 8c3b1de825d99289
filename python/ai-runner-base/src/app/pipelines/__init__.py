"""Pipelines as a server sees them."""
