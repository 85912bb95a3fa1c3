"""The image gate: decoding by stated rules, headers, overlays, marks of provenance."""
