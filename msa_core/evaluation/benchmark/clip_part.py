"""A clip of ten seconds by step and in whole, warm, beside the reference pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msa_core import media
from msa_core.evaluation.benchmark import reference_pipeline as reference
from msa_core.evaluation.benchmark.rows import Goal, row
from msa_core.evaluation.benchmark.timing import Work, interleaved
from msa_core.features import prosody, sound_streams, voice
from msa_core.predict import Analyser
from msa_core.schema import Prediction

BOUND = "bounded by the words: Whisper's decoder takes one pass a token"
RATIO = Goal(0.5, bound=BOUND)
LENGTH_S = 10.0
Draw = Callable[[Prediction], object]


def rows(analyser: Analyser, clip: Path, draw: Draw, repeats: int) -> list[dict[str, Any]]:
    """Measure every step of one clip and all of them.

    Args:
        analyser: the loaded models.
        clip: a file with words, a voice and a face.
        draw: draws an answer.
        repeats: rounds.
    """
    reference.require_librosa()
    read, model = analyser.extractor, analyser.extractor.speech.model
    info = media.probe(clip)
    # What each step needs from the steps before it.
    wave, sampled = media.waveform(clip, info), list(media.frames(clip, info))
    speech = read.speech.read(wave)
    utterance = analyser.extract(clip)
    prediction = analyser.predict(utterance)
    theirs_wave, pictures, detector = reference.sound(clip), list(reference.pictures(clip)), read.faces.detector

    def decoded() -> None:
        found = media.probe(clip)
        media.waveform(clip, found)
        for _ in media.frames(clip, found):
            pass

    def voiced() -> None:
        voice.audio_stream(read.voice_network, speech.frames, speech.frame_times_s)
        prosody.measure(wave, speech.words)

    steps: list[tuple[str, Work, str, Work | None]] = [
        ("decode", decoded, "PyAV in this process, every picture", lambda: reference.decode(clip)),
        (
            "words, their times and the voice's frames",
            lambda: read.speech.read(wave),
            "openai-whisper's `transcribe` with times of words, same weights",
            lambda: reference.words(model, theirs_wave),
        ),
        (
            "voice network and prosody",
            voiced,
            "librosa: 13 MFCC, pitch by yin, rms",
            lambda: reference.features(theirs_wave),
        ),
        ("text", lambda: sound_streams.said(speech, read.text, read.projector), "", None),
        (
            "faces and expressions, 5 pictures a second",
            lambda: read.faces.read(iter(sampled)),
            "the same detector on every picture, no expression",
            lambda: reference.detect(pictures, detector),
        ),
        ("fusion (SDUMC, coalitions, seconds)", lambda: analyser.predict(utterance), "", None),
        ("drawing", lambda: draw(prediction), "", None),
    ]
    found = [_measured(name, ours, said, theirs, repeats) for name, ours, said, theirs in steps]
    return [*found, *_whole(analyser, clip, draw, info.duration_s, repeats)]


def _whole(analyser: Analyser, clip: Path, draw: Draw, duration_s: float, repeats: int) -> list[dict[str, Any]]:
    """Measure from file to drawn answer, beside the whole reference, which neither scores nor draws."""
    read = analyser.extractor

    def ours() -> None:
        draw(analyser.predict(analyser.extract(clip)))

    def theirs() -> None:
        reference.whole(clip, read.speech.model, read.faces.detector)

    times = interleaved({"ours": ours, "theirs": theirs}, repeats)
    name = f"whole clip of {duration_s:.1f} s, file to drawn answer"
    said = "decode, `transcribe`, detector on every picture, librosa; no score, no drawing"
    return [
        row(name, times["ours"], said, times["theirs"], RATIO, duration_s),
        row(
            "the same, against the clock",
            times["ours"],
            goal=Goal(duration_s * 0.1, "seconds", "wall", f"{BOUND}; other work on the machine counts here"),
        ),
    ]


def _measured(name: str, ours: Work, said: str, theirs: Callable[[], object] | None, repeats: int) -> dict[str, Any]:
    """Measure one step, beside its counterpart where it has one."""
    times = interleaved({"ours": ours} | ({"theirs": theirs} if theirs else {}), repeats)
    return row(name, times["ours"], said or "none: the reference has no such step", times.get("theirs"))
