"""From a preset to what TF Serving runs. Run from a checkout, ``python -m export…``."""
