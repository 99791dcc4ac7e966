"""Small stand-ins for the large networks: the real path from file to utterance in milliseconds."""

from dataclasses import replace

import numpy as np
import torch

from msa_core.extract import Extractor
from msa_core.features import simulated_text, voice
from msa_core.features.expression import ExpressionConfig, ExpressionNetwork
from msa_core.features.face import Box, FaceReader
from msa_core.features.spoken import SILENT, Speech
from msa_core.schema import Stream, Word


class Listener:
    """Stand-in for Whisper: two words when the sound is loud, none when it is soft."""

    def read(self, waveform, poll=lambda: None, any_language=False):
        n, loud = max(1, len(waveform) // 1600), float(np.abs(waveform).max(initial=0))
        said = 2 if loud > 0.2 else 0
        rng = np.random.default_rng(0)
        return Speech(
            transcript="good day" if said else "",
            words=(Word("good", 0.1, 0.4), Word("day", 0.5, 0.9))[:said],
            frames=rng.normal(size=(n, 384)).astype(np.float32),
            frame_times_s=np.arange(n) / 10 + 0.05,
            states=rng.normal(size=(said, 384)).astype(np.float32),
            state_times_s=np.linspace(0.2, 0.7, said),
            state_words=np.arange(said),
            no_speech_reason=None if said else "no speech found",
            silent_reason=SILENT if loud < 1e-3 else None,
        )

    def frames(self, waveform):
        heard = self.read(waveform)
        return heard.frames, heard.frame_times_s


class Translator(Listener):
    """Stand-in for the reader of Chinese: no states, frames of another width."""

    def read(self, waveform, poll=lambda: None, any_language=False):
        heard = super().read(waveform)
        none = {"states": heard.states[:0], "state_times_s": np.zeros(0), "state_words": np.zeros(0, int)}
        return replace(
            heard, transcript="你好", translation="good day", frames=np.ones((3, 512)), notes=("translated",), **none
        )


class Encoder:
    """Stand-in for MiniLM."""

    fill = 1.0

    def encode_words(self, words):
        return Stream(np.full((len(words), 384), self.fill, np.float32), np.array([w.start_s for w in words]))

    def encode(self, texts):
        return [np.full((max(1, len(t.split())), 384), 0.1 * len(t), np.float32) for t in texts]


def middle(image):
    """Find one face in the middle of what is not black, in place of the face detector."""
    return [Box(image.shape[1] * 0.4, image.shape[0] * 0.3, 60, 80)]


def quick_extractor():
    """Make the real path with small stand-ins for the large networks, and untrained small networks."""
    torch.manual_seed(0)
    return Extractor(
        Listener(),
        Encoder(),
        voice.VoiceNetwork(voice.VoiceConfig()).eval(),
        simulated_text.Projector().eval(),
        FaceReader(ExpressionNetwork(ExpressionConfig()).eval(), detector=middle),
        Translator,
    )
