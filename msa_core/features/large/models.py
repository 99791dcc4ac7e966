"""Models of a large feature set: found by their names, so that id, widths and keys are known before anything is loaded.

The id of the set names everything that changes its numbers but the precision: exact weights, layers, windows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from msa_core.errors import FeatureError
from msa_core.features import FeatureSet, weights
from msa_core.features.large import hub, simulator, speech, text, vision
from msa_core.features.large.config import LargeConfig, SimulatedConfig
from msa_core.features.large.simulator import Simulator, StoredProjector
from msa_core.features.large.speech import SpeechModel
from msa_core.features.large.text import LargeText
from msa_core.features.large.vision import LargeFaces

READING = 1  # version of how clips are read: windows, crops, places of tokens


@dataclass(frozen=True)
class Simulation:
    """Text simulation that was found: its settings, speech model and trained projector."""

    config: SimulatedConfig
    speech: hub.Source
    projector: StoredProjector

    @property
    def key(self) -> str:
        """Everything that changes simulated text besides the language model."""
        c = self.config
        facts = [c.instruction, str(c.beams), str(c.max_new_tokens), self.projector.identity]
        return " ".join([_key(self.speech), *facts])


@dataclass(frozen=True)
class LargeSet:
    """Models of a large feature set that were found, and the precision they run in."""

    config: LargeConfig
    dtype: str
    speech: hub.Source
    text: hub.Source
    vision: hub.Source
    simulation: Simulation | None = None

    @staticmethod
    def find(config: LargeConfig, dtype: str, projected: bool = True) -> LargeSet:
        """Find the models of a feature set; only their configs are read.

        Args:
            config: its settings.
            dtype: a key of hub.DTYPES.
            projected: False leaves the text simulation out, whose projector may still have to be trained.

        Raises:
            FeatureError, CheckpointError: a model or the projector is not there or does not fit.
        """
        hub.quiet()
        if config.transcriber not in weights.available_models():
            names = ", ".join(weights.available_models())
            raise FeatureError(f"No Whisper {config.transcriber!r} to hear the words. Available: {names}.")
        simulation, own = None, config.simulated
        speaks = own is not None
        words = text.find(config.text, config.folder, speaks)
        if own is not None and projected:
            hears = speech.find(own.speech, config.folder)
            stored = simulator.find_projector(config.folder / own.projector)
            stored.build(hears.dim, words.dim)  # refuses that of other models
            simulation = Simulation(own, hears, stored)
        voice, faces = speech.find(config.speech, config.folder), vision.find(config.vision, config.folder)
        return LargeSet(config, dtype, voice, words, faces, simulation)

    @property
    def feature_set(self) -> FeatureSet:
        """Id and widths of the set; its extractors name the models and the precision."""
        parts = [self.words_key, *map(_key, (self.speech, self.text, self.vision)), str(self.config.speech.pool)]
        parts += [self.simulation.key] if self.simulation else []
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
        widths = (self.text.dim, self.speech.dim, self.vision.dim)
        name = f"large-{self.config.name}-{digest}-" + "-".join(map(str, widths))
        return FeatureSet(name, *widths, extractors=(*parts, self.dtype))

    @property
    def words_key(self) -> str:
        """What hears the words."""
        return f"reading {READING}, words by whisper-{self.config.transcriber}"

    def part_key(self, part: str) -> str:
        """Name everything that makes a part of a clip, besides its file: "speech", "text", "vision" or "simulated"."""
        if part == "simulated" and self.simulation is not None:
            more = [self.simulation.key, _key(self.text)]
        else:
            more = [_key(getattr(self, part)), str(self.config.speech.pool) if part == "speech" else ""]
        return " ".join([part, f"reading {READING}", *more, self.dtype])

    def load_speech(self, device: str) -> SpeechModel:
        """Load the speech model. Raises: FeatureError."""
        return speech.load(self.speech, self.dtype, device)

    def load_text(self, device: str) -> LargeText:
        """Load the text model. Raises: FeatureError."""
        return LargeText(self.text, self.config.simulated is not None, self.dtype, device)

    def load_faces(self, device: str) -> LargeFaces:
        """Load the vision model. Raises: FeatureError."""
        return LargeFaces(self.vision, self.dtype, device)

    def load_simulator(self, own: SpeechModel, words: LargeText, device: str) -> Simulator | None:
        """Load the text simulation, if the set has one; it shares models that are loaded already.

        Args:
            own: the speech model of the set, whose weights are shared when both are the same.
            words: the language model.
            device: "cpu" or "cuda".

        Raises:
            FeatureError: the speech model does not load.
        """
        found = self.simulation
        if found is None:
            return None
        same = found.speech.identity == self.speech.identity
        hears = own.at(found.speech) if same else speech.load(found.speech, self.dtype, device)
        return Simulator(hears, found.projector.build(found.speech.dim, words.dim), words, found.config)


def _key(source: hub.Source) -> str:
    """Name the exact weights and layers of a model."""
    return f"{source.identity} layers {','.join(map(str, source.layers))}"
