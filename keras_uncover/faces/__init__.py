"""Finding, aligning and recognising faces."""
