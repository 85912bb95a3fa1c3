"""Losses, metrics, callbacks and the folder of a run."""
