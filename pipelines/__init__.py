"""Data: builders of shards, the packed bank and the loaders. Run from a checkout, ``python -m pipelines…``."""
