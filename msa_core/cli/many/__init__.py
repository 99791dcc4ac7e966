"""Folders of many clips, extracted or scored: on this computer's processes or on a Ray cluster, resumable."""
