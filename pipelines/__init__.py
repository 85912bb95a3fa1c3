"""Data rooms: dataset builders, the packed bank and the loader. Run from a checkout, ``python -m pipelines…``."""
