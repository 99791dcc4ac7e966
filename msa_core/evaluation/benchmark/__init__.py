"""Measure this machine: what a clip, a switch, a training step and a cold start cost beside a stated reference."""

PARTS = ("clip", "networks", "training", "cold", "growth")  # in the order in which they are measured
