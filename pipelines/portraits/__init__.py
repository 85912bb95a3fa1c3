"""Portraits as TFRecord shards: crop, texture, uv map and hull of each face. Run ``python -m pipelines.portraits``."""
