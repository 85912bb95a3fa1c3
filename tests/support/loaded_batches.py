"""``load`` as tests call it: fields of the configuration and options of loading together, and without XLA."""

import dataclasses

from pipelines.config import BatchConfig
from pipelines.load import load

FIELDS = {field.name for field in dataclasses.fields(BatchConfig)}


def load_batches(shards, split="train", batch_size=5, compiled=False, **options):
    """Batches of a split, by default not compiled, which would take longer than all of a test."""
    config = BatchConfig(shards, batch_size, **{key: value for key, value in options.items() if key in FIELDS})
    reading = {key: value for key, value in options.items() if key not in FIELDS}
    return load(config, split, compiled=compiled, **reading)
