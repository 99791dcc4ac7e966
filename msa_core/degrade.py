"""Degradation of a clip: the picture is blurred and noise added to the sound before any model reads them.

Nothing here touches the file: pictures and samples are changed on their way from the decoder to the extractors,
and the page writes a copy of exactly that for the visitor to look at.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import cv2
import numpy as np

from msa_core.errors import Message, MsaError, message
from msa_core.media import SAMPLE_RATE_HZ

MAX_BLUR = 0.1
MIN_NOISE_DB, MAX_NOISE_DB = -10.0, 30.0
STEP = 320  # samples (20 ms) in which loudness is measured
QUIET_DB = 30.0  # a stretch so far below the loud ones is a pause: it does not count as signal
LOW_HZ = 50.0  # pink noise is flat below: the ear and the models hear nothing there


@dataclass(frozen=True)
class Degradation:
    """Strength of the blur and level of the noise.

    Raises:
        MsaError: a value is out of range.

    >>> Degradation(noise_db=5.0).notes(has_audio=True, has_video=True)
    ('Noise was added to the sound at 5 dB.',)
    """

    blur: float = 0.0  # standard deviation of a Gaussian as a share of the picture's shorter side, 0 to 0.1
    noise_db: float | None = None  # level of the sound without its pauses over that of pink noise, -10 to 30 dB

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if not 0.0 <= self.blur <= MAX_BLUR:  # false for NaN
            raise MsaError(
                "The blur is {value}. Give a share of the picture from 0 to {most}.", value=self.blur, most=MAX_BLUR
            )
        if self.noise_db is not None and not MIN_NOISE_DB <= self.noise_db <= MAX_NOISE_DB:
            raise MsaError(
                "The noise is at {value} dB. Give a signal-to-noise ratio from {low:.0f} to {high:.0f} dB, "
                "or leave it out.",
                value=self.noise_db,
                low=MIN_NOISE_DB,
                high=MAX_NOISE_DB,
            )

    @property
    def none(self) -> bool:
        """True when nothing is changed."""
        return self.blur == 0.0 and self.noise_db is None

    def picture(self, image: np.ndarray) -> np.ndarray:
        """Blur a picture (H, W, 3) uint8."""
        if self.blur == 0.0:
            return image
        return np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur * min(image.shape[:2])))

    def sound(self, wave: np.ndarray) -> np.ndarray:
        """Add noise to samples (N,) float32 at 16 kHz; the same clip always gets the same noise.

        Where the sum leaves [-1, 1] all of it is made softer, so that nothing is clipped. Silence stays silent.
        """
        level = loud_power(wave)
        if self.noise_db is None or level == 0.0:
            return wave
        seed = int.from_bytes(hashlib.sha256(np.ascontiguousarray(wave, np.float32).tobytes()).digest()[:8], "big")
        gain = math.sqrt(level / 10 ** (self.noise_db / 10))
        mixed = wave + gain * pink(len(wave), np.random.default_rng(seed))
        return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)

    def notes(self, has_audio: bool, has_video: bool) -> tuple[Message, ...]:
        """Describe to the user what was done to a clip with these tracks."""
        notes = []
        if self.noise_db is not None and has_audio:
            notes.append(message("Noise was added to the sound at {level:g} dB.", level=self.noise_db))
        if self.blur and has_video:
            notes.append(
                message("The picture was blurred by {share:.2g} % of its shorter side.", share=100 * self.blur)
            )
        return tuple(notes)


def pink(n: int, generator: np.random.Generator) -> np.ndarray:
    """Draw pink noise (n,) of unit power at 16 kHz: it falls by 3 dB an octave above LOW_HZ."""
    spectrum = np.fft.rfft(generator.standard_normal(n))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ), LOW_HZ))
    spectrum[0] = 0.0  # no constant offset
    noise = np.fft.irfft(spectrum, n)
    power = float(np.mean(noise**2))
    return noise / math.sqrt(power) if power else noise


def loud_power(wave: np.ndarray) -> float:
    """Average the power of the 20 ms stretches that are no pause (QUIET_DB below the loudest twentieth)."""
    starts = np.arange(0, len(wave), STEP)
    if not len(starts):
        return 0.0
    power = np.add.reduceat(np.asarray(wave, np.float64) ** 2, starts) / np.minimum(STEP, len(wave) - starts)
    loud = power >= np.percentile(power, 95) / 10 ** (QUIET_DB / 10)
    return float(power[loud].mean())
