"""Corpora that are built from research data; the project ships what is trained on them, never the data."""
