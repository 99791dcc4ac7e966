"""The reference of a clip: what one writes first with the same weights and well-known libraries.

PyAV decodes every picture and the sound, openai-whisper's own `transcribe` gives words with times from mels of 30 s,
the face detector looks at every picture, librosa measures MFCC, pitch (yin) and loudness.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from msa_core.errors import MsaError
from msa_core.features.face import Detector, detection_picture
from msa_core.schema import SAMPLE_RATE_HZ, Word

PITCH_HZ = (65.0, 500.0)  # that librosa looks for
HOP = 320  # samples between two steps of pitch: 20 ms, as in features/pitch.py


def require_librosa() -> None:
    """Raise MsaError when librosa is not installed."""
    try:
        import librosa  # noqa: F401
    except ImportError as e:
        raise MsaError("The benchmark needs librosa for its reference. Install it: pip install '.[tests]'.") from e


def pictures(path: Path) -> Iterator[np.ndarray]:
    """Decode every picture (H, W, 3) uint8."""
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def sound(path: Path) -> np.ndarray:
    """Decode the sound (N,) float32, mono, 16 kHz."""
    import av

    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
    with av.open(str(path)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate([f.to_ndarray()[0] for f in [*frames, *resampler.resample(None)]])


def decode(path: Path) -> int:
    """Decode everything and keep nothing. Returns: the number of pictures."""
    sound(path)
    return sum(1 for _ in pictures(path))


def words(model: object, wave: np.ndarray) -> list[Word]:
    """Transcribe with times of the words."""
    from msa_core.evaluation.speech_comparison import reference  # here: it loads whisper's whole package

    return reference(model, wave)  # type: ignore[arg-type]


def detect(images: Iterator[np.ndarray] | list[np.ndarray], detector: Detector) -> int:
    """Look for faces in every picture, scaled as ours is. Returns: the number of pictures with a face."""
    return sum(1 for image in images if detector(detection_picture(image)))


def features(wave: np.ndarray) -> tuple[np.ndarray, ...]:
    """Measure MFCC, pitch and loudness of a sound."""
    import librosa

    low, high = PITCH_HZ
    return (
        librosa.feature.mfcc(y=wave, sr=SAMPLE_RATE_HZ, n_mfcc=13, hop_length=HOP),
        librosa.yin(wave, fmin=low, fmax=high, sr=SAMPLE_RATE_HZ, hop_length=HOP),
        librosa.feature.rms(y=wave, hop_length=HOP),
    )


def whole(path: Path, model: object, detector: Detector) -> None:
    """Do all of it, one step after another."""
    wave = sound(path)
    words(model, wave)
    features(wave)
    detect(pictures(path), detector)
