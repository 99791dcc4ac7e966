"""The live window: the last three seconds of a camera and a microphone as an `Utterance`, while they go on.

Faces are looked for in new pictures only. The voice is encoded again from the whole window, because its frames depend
on their place in it. Words are read by another thread and stay as they are until the next reading. Right after a
reading an utterance is what `extract` makes of the same three seconds, but for two things: nobody is asked for a
second opinion on doubtful words, and prosody is not measured. Nothing is written, and what is older is dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain

import numpy as np

from msa_core.errors import message
from msa_core.extract import Extractor
from msa_core.features import TUNED, voice
from msa_core.features.face import Box, Sighting
from msa_core.features.loudness import is_silent
from msa_core.features.sound_streams import Said, said
from msa_core.features.speech import SpeechReader
from msa_core.features.spoken import SILENT, Speech
from msa_core.features.whisper_decoding import undisturbed
from msa_core.media import SAMPLE_RATE_HZ
from msa_core.schema import Stream, Utterance

WINDOW_S = 3.0
WORDS_EVERY_S = 2.0  # from the start of one reading of the words to the next
WORDS_FROM_S = 1.0  # sound that the first reading needs
NEAR_S = 0.1  # a picture so soon after the one before it is left out: a clip is read with five a second
NO_CAMERA, NO_MICROPHONE = "no camera", "no microphone"
LISTENING = message("the first words are being read")


@dataclass(frozen=True)
class Picture:
    """A picture of the camera, rgb (H, W, 3) uint8, and the time at which it was taken, in s of any steady clock."""

    time_s: float
    image: np.ndarray


def word_reader(reader: SpeechReader) -> SpeechReader:
    """Return a reader with the same weights that waits for nobody else's clip and asks no second reader."""
    model = reader.model
    shared = {id(t): t for t in chain(model.parameters(), model.buffers())}  # the modules alone are copied
    words = SpeechReader(deepcopy(model, shared), reader.language)
    words.reads_voice = False
    return words


class Window:
    """The last seconds of one visitor. One thread adds and asks; another may read the words meanwhile."""

    def __init__(self, extractor: Extractor, reader: SpeechReader) -> None:
        """Args: extractor: the loaded extractors. reader: reads the words (`word_reader`)."""
        self._extractor, self._reader = extractor, reader
        self._sound = np.zeros(0, np.float32)
        self._sound_s: float | None = None  # when the last sample was heard
        self._looks: deque[tuple[float, Sighting]] = deque()
        self._heard: tuple[Speech, Said] | None = None
        self._read_s: float | None = None  # when the last reading of the words began
        self._reading = threading.Lock()

    def add(self, pictures: Sequence[Picture] = (), sound: np.ndarray | None = None, sound_s: float = 0.0) -> None:
        """Take what is new, and drop what has become too old.

        Args:
            pictures: in the order of their times; one that is NEAR_S after another is left out.
            sound: (N,) float32, mono, 16 kHz, that follows the sound before it.
            sound_s: when its last sample was heard.
        """
        if sound is not None and len(sound):
            self._sound = np.concatenate([self._sound, sound])[-round(WINDOW_S * SAMPLE_RATE_HZ) :]
            self._sound_s = sound_s
        faces = self._extractor.faces
        for picture in pictures:
            if self._looks and picture.time_s - self._looks[-1][0] < NEAR_S:
                continue
            self._looks.append((picture.time_s, faces.describe(faces.look(picture.image))))
        while self._looks and self._looks[0][0] < self._now_s - WINDOW_S:
            self._looks.popleft()
        if self._sound_s is not None and self._sound_s < self._now_s - WINDOW_S:
            self._sound = self._sound[:0]

    def words_due(self) -> bool:
        """Tell whether it is time to read the words."""
        if self._sound_s is None or len(self._sound) < WORDS_FROM_S * SAMPLE_RATE_HZ or self._reading.locked():
            return False
        return self._read_s is None or self._sound_s - self._read_s >= WORDS_EVERY_S

    def read_words(self, poll: Callable[[], None] = undisturbed) -> None:
        """Read the words of the window as it is now, unless they are being read.

        Args: poll: called often; what it raises ends the work.
        """
        if not self._reading.acquire(blocking=False):
            return
        try:
            sound, self._read_s = self._sound, self._sound_s
            speech = self._reader.read(sound, poll)
            self._heard = speech, said(speech, self._extractor.text, self._extractor.projector)
        finally:
            self._reading.release()

    def utterance(self) -> tuple[Utterance, Box | None]:
        """Return the window as it is now, and the face in its last picture as shares of width and height."""
        text, audio, simulated, speech = self._listened()
        vision, face = self._seen()
        spoken = speech is not None and text.present
        return Utterance(
            id="live",
            duration_s=WINDOW_S,
            feature_set=TUNED.id,
            text=text,
            audio=audio,
            vision=vision,
            simulated=simulated,
            transcript=speech.transcript if speech is not None and spoken else "",
            words=speech.words if speech is not None and spoken else (),
        ), face

    @property
    def _now_s(self) -> float:
        return max(self._looks[-1][0] if self._looks else 0.0, self._sound_s or 0.0)

    def _listened(self) -> tuple[Stream, Stream, Stream, Speech | None]:
        """Return text, audio and simulated text of the window, and what was heard in the last reading."""
        heard, reason = self._heard, None
        if not len(self._sound):
            reason = NO_MICROPHONE
        elif is_silent(self._sound):
            reason = SILENT
        elif heard is None:
            reason = LISTENING
        if reason is not None or heard is None:
            absent = Stream.absent(reason or LISTENING)
            return absent, absent, absent, None
        speech, found = heard
        if found.no_voice is not None:
            return found.text, Stream.absent(found.no_voice), found.simulated, None
        frames, times_s = self._extractor.speech.frames(self._sound)
        return found.text, voice.audio_stream(self._extractor.voice_network, frames, times_s), found.simulated, speech

    def _seen(self) -> tuple[Stream, Box | None]:
        if not self._looks or self._looks[-1][0] < self._now_s - WINDOW_S / 2:
            return Stream.absent(NO_CAMERA), None
        begin_s = self._now_s - WINDOW_S
        return self._extractor.faces.stream([t - begin_s for t, _ in self._looks], [look for _, look in self._looks])
