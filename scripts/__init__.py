"""How the shipped files were made; each file is a program: ``python -m scripts.NAME --help``."""
