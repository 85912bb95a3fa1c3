"""Ready-made fakes beside both their sources as TFRecord shards. Run ``python -m pipelines.swap_pairs``."""
