"""Explanations of a score: Shapley values, a timeline, a conformal interval."""
