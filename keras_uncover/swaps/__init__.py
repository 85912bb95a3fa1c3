"""Fakes made by the batch with exact truth, and post-processing."""
