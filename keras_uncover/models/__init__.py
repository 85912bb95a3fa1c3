"""The networks with their layers and sizes, and what a task is (``build.py``)."""
