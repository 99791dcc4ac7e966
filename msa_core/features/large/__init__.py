"""Large feature sets: models of one's own choice through transformers or openai-whisper, named by a JSON file."""
