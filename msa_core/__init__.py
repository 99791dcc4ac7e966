"""Multimodal sentiment analysis when a modality is missing: one video from file to score.

Reading order: schema, media, features, extract, missing, data, methods, predict.
"""

__version__ = "0.1.0"
