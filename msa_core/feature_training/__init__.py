"""Training of the networks inside the feature extractors: voice, text, expression, and the projector to text."""
