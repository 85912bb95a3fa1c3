"""From a photo to an answer, its records, files and figures; ``Uncoverer``."""
