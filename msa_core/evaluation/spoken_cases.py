"""Utterances and sounds for measuring speech reading: spoken by espeak-ng, shipped clips, music, noise; all seeded."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msa_core import media
from msa_core.config import shipped
from msa_core.errors import MsaError
from msa_core.evaluation.true_times import true_times

RATE = 16_000
ENGINE = "espeak-ng"
VOICES = ("en-us", "en-us+f2", "en-us+m3", "en-us+f4", "en-us+m7", "en-gb", "en-gb+f3", "en-gb+m1", "en-gb-scotland")
SENTENCES = (
    "I really loved the first half of the movie.",
    "The camera is great but the battery is horrible.",
    "Honestly, nobody told me that the show was cancelled.",
    "She opened the window and looked at the rain.",
    "We should talk about the budget before lunch tomorrow.",
    "The acting was terrible and the story made no sense.",
    "My brother bought a new car last week.",
    "Thank you so much for watching this review.",
    "It took three hours to get home because of the snow.",
    "The soup was cold, the waiter was rude, and we left early.",
    "This is the best phone that I have ever owned.",
    "He never answered my letter, and that made me sad.",
)
REPEATED = (
    ("I love it.", 4, "The camera is great but the battery is horrible."),
    ("No, no, no.", 3, "That is not what I said."),
    ("It was very good.", 3, "I would watch it again tomorrow."),
    ("Go away!", 5, "I do not want to see you anymore."),
    ("Thank you.", 4, "You have been a wonderful audience."),
    ("I do not know.", 6, "Maybe we should ask somebody else."),
    ("Great movie.", 4, "My brother bought a new car last week."),
    ("Come on, come on.", 3, "We are going to be late again."),
    ("Ha ha ha ha ha ha.", 2, "That was a very funny joke."),
    ("We want more.", 8, "The singer came back to the stage."),
    ("This is so boring.", 3, "Let us go home now."),
    ("Really really really really really really good.", 2, "I mean it."),
)
TURNS = (  # phrases that are said many times, each turn at a tempo and a pitch of its own
    *("Please help me", "Wait", "Look at this", "Hurry up", "So bad", "No", "Never again", "I am sorry"),
    *("It is too late", "Well done", "Tell me why", "Keep going", "Thanks", "You are wrong", "Stop it", "Good morning"),
)
MANY = (2, 3, 4, 5, 6, 8, 10, 12)  # turns
REPLIES = (
    *("Yes.", "No!", "Never!", "Wonderful!", "Amazing!", "Terrible.", "Stop!", "Wow!", "Perfect.", "Disgusting!"),
    *("Absolutely!", "Hello?", "Great!", "Sorry.", "Really?", "Fantastic!"),
)
DIGITS = (
    *(
        "One, two, three, four, five.",
        "Seven, three, nine.",
        "Six.",
        "Four, four, two, eight.",
        "Zero, one, zero, one.",
    ),
    *("Nine, eight, seven, six, five, four, three, two, one.", "Eleven.", "Five, five, five, six."),
)
FOREIGN = {
    "fr-fr": ("Je suis très content de ce film.", "Il fait froid ce matin et je suis en retard."),
    "es": ("La película me ha gustado muchísimo.", "No quiero volver a ver esa tienda nunca más."),
    "de": ("Das Essen war wirklich furchtbar.", "Wir fahren morgen mit dem Zug nach Berlin."),
    "ru": ("Этот фильм мне очень понравился.", "Сегодня утром было холодно и шёл снег."),
    "hi": ("यह फिल्म मुझे बहुत पसंद आई।", "आज सुबह बहुत ठंड थी।"),
    "it": ("Non mi è piaciuto per niente questo albergo.", "Domani andiamo al mare con gli amici."),
}
SHIPPED = {  # what is said in the examples; of the others nobody wrote it down
    **{
        f"crema_{mood}.mp4": "Don't forget a jacket."
        for mood in ("angry", "disgusted", "fearful", "happy", "neutral", "sad")
    },
    "grid_bbaf2n.mp4": "Bin blue at F two now.",
    "grid_brbk7n.mp4": "Bin red by K seven now.",
    "grid_lbax4n.mp4": "Lay blue at X four now.",
    "grid_lbbc2a.mp4": "Lay blue by C two again.",
    "grid_lrwp9a.mp4": "Lay red with P nine again.",
    "jfk.flac": "And so my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country.",
}


Starts = tuple[tuple[str, float], ...]  # words, each with the second at which it begins


@dataclass(frozen=True)
class Said:
    """A text that was read aloud; `starts_s` is None where the synthesiser does not tell when its words begin."""

    sound: np.ndarray
    starts_s: Starts | None

    def between(self, before_s: float, after_s: float) -> Said:
        """Put silence before and after it."""
        return silent(before_s).then(self).then(silent(after_s))

    def then(self, other: Said) -> Said:
        """Put another one behind it."""
        sound = np.concatenate([self.sound, other.sound])
        if self.starts_s is None or other.starts_s is None:
            return Said(sound, None)
        return Said(sound, self.starts_s + tuple((w, s + len(self.sound) / RATE) for w, s in other.starts_s))


@dataclass(frozen=True)
class Case:
    """One sound with what is said in it.

    truth: the words; "" where nothing is said; None where another language is spoken or nobody wrote the words down.
    word_s: start and end of a word that is alone in the sound, in s.
    starts_s: when each word begins; None where nobody knows.
    """

    kind: str
    name: str
    sound: np.ndarray
    truth: str | None
    word_s: tuple[float, float] | None = None
    starts_s: Starts | None = None


def require_engine() -> None:
    """Check that espeak-ng is installed.

    Raises:
        MsaError: it is not; the message says how to install it.
    """
    if shutil.which(ENGINE) is None:
        raise MsaError(f"The synthesiser {ENGINE!r} is not installed. Run 'apt-get install espeak-ng'.")


def of_kinds(cases: Sequence[Case], kinds: Sequence[str]) -> list[Case]:
    """Choose the cases of some kinds; all where none is named.

    Raises:
        MsaError: there is no case of a kind.
    """
    known = list(dict.fromkeys(case.kind for case in cases))
    for kind in kinds:
        if kind not in known:
            raise MsaError(f"There is no kind {kind!r} of sounds. Choose among: {', '.join(known)}.")
    return [case for case in cases if not kinds or case.kind in kinds]


def spoken(text: str, voice: str = "en-us", speed: int = 150, pitch: int = 50) -> np.ndarray:
    """Read a text aloud: (N,) float32 at 16 kHz, without the silence that the synthesiser puts around it."""
    return _trimmed(*_synthesised(text, voice, speed, pitch))[0]


def said(text: str, voice: str = "en-us", speed: int = 150, pitch: int = 50) -> Said:
    """Read a text aloud as `spoken` does, with the true start of each word."""
    samples, rate = _synthesised(text, voice, speed, pitch)
    sound, cut_s = _trimmed(samples, rate)
    truth = true_times(text, voice, speed, pitch)
    if truth is None or truth.samples != len(samples):  # the times are those of another sound
        return Said(sound, None)
    return Said(sound, tuple((word, max(0.0, start - cut_s)) for word, start in truth.starts_s))


def _synthesised(text: str, voice: str, speed: int, pitch: int) -> tuple[np.ndarray, int]:
    """Let espeak-ng write a text's sound. Returns: 16-bit samples and their rate."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speech.wav"
        options = ["-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(out)]
        done = subprocess.run([ENGINE, *options, "--", text], capture_output=True, timeout=60, check=False)
        if done.returncode != 0 or not out.is_file():
            raise MsaError(f"{ENGINE} could not say {text!r} in the voice {voice}.")
        with wave.open(str(out), "rb") as f:
            return np.frombuffer(f.readframes(f.getnframes()), dtype="<i2"), f.getframerate()


def _trimmed(samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, float]:
    """Resample a synthesiser's sound and cut the silence around it. Returns: the sound, and the seconds cut before."""
    sound = resampled(samples.astype(np.float64) / 32768, rate_hz)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1] + 1], float(loud[0]) / RATE


def resampled(sound: np.ndarray, rate_hz: int) -> np.ndarray:
    """Resample (N,) at `rate_hz` to float32 at 16 kHz, band-limited by the Fourier transform."""
    n = round(len(sound) * RATE / rate_hz)
    spectrum = np.fft.rfft(sound)
    kept = np.zeros(n // 2 + 1, dtype=complex)
    width = min(len(spectrum), len(kept))
    kept[:width] = spectrum[:width]
    return (np.fft.irfft(kept, n) * (n / len(sound))).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    """Make digital silence."""
    return np.zeros(int(seconds * RATE), np.float32)


def silent(seconds: float) -> Said:
    """Say nothing for some time."""
    return Said(silence(seconds), ())


def coloured(rng: np.random.Generator, seconds: float, colour: float, dbfs: float) -> np.ndarray:
    """Make noise whose power falls with frequency to the power of `colour`: 0 white, 1 pink, 2 brown."""
    n = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.normal(size=n))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (colour / 2)
    spectrum[: int(20 * n / RATE)] = 0  # nothing below 20 Hz
    noise = np.fft.irfft(spectrum, n)
    return (noise / noise.std() * 10 ** (dbfs / 20)).astype(np.float32)


def noisy(rng: np.random.Generator, sound: np.ndarray, snr_db: float, colour: float = 1.0) -> np.ndarray:
    """Add noise `snr_db` below the sound."""
    level = 20 * np.log10(sound.std() + 1e-9) - snr_db
    return sound + coloured(rng, len(sound) / RATE + 0.001, colour, level)[: len(sound)]


def utterances(seed: int = 0) -> Iterator[Case]:
    """Make all utterances: sentences, repetitions, replies, digits, pauses, noise, silence around, other languages."""
    rng = np.random.default_rng(seed)

    def say(text: str, speeds: tuple[int, int] = (130, 180)) -> Said:
        return said(text, str(rng.choice(VOICES)), int(rng.integers(*speeds)), int(rng.integers(35, 65)))

    def case(kind: str, name: str, speech: Said, text: str) -> Case:
        return Case(kind, name, speech.sound, text, starts_s=speech.starts_s)

    for k in range(2):
        for i, text in enumerate(SENTENCES):
            yield case("sentence", f"sentence {k}.{i}", say(text).between(0.3, 0.3), text)
    for i, (phrase, times, end) in enumerate(REPEATED):
        text = " ".join([phrase] * times + [end])
        yield case("repetition", f"repetition {i}", say(text), text)
    text = "I love it. " * 4 + SENTENCES[1]
    yield case("repetition", "repetition us", said(text), text)
    for text in REPLIES:
        for after in (0.3, 3.0):
            yield case("reply", f"{text} {after} s", say(text).between(0.2, after), text)
    for i, text in enumerate(DIGITS * 2):
        yield case("digits", f"{text} {i // len(DIGITS)}", say(text).between(0.2, 0.5), text)
    for i, pause in enumerate((1.0, 2.0, 4.0, 6.0, 8.0, 12.0)):
        first, second = SENTENCES[i], SENTENCES[-1 - i]
        yield case(
            "pause", f"pause of {pause:.0f} s", say(first).then(silent(pause)).then(say(second)), f"{first} {second}"
        )
    for snr in (20, 10, 5, 0):
        for i, text in enumerate(SENTENCES[:8]):
            speech = say(text).between(0.5, 0.5)
            heard = Said(noisy(rng, speech.sound, snr, i % 3), speech.starts_s)
            yield case(f"noise {snr} dB", f"{snr} dB {i}", heard, text)
    for before in (2.0, 5.0, 8.0, 15.0, 22.0):
        for floor in (None, -60.0, -55.0, -45.0):
            text = str(rng.choice(["Wonderful!", "Terrible.", "Fantastic!", "Absolutely."]))
            yield _late(rng, text, say(text).sound, before, floor)
    for i, text in enumerate(SENTENCES[:8]):
        speech = say(text).between(0.1, float(rng.uniform(2, 9)))
        yield case("silence after", f"silence after {i}", speech, text)
    for language, texts in FOREIGN.items():
        for i, text in enumerate(texts):
            sound = np.concatenate([silence(0.2), spoken(text, language), silence(0.3)])
            yield Case("other language", f"{language} {i}", sound, None)
    yield from _turns(np.random.default_rng([seed, 1]))
    yield from examples()


def _turns(rng: np.random.Generator) -> Iterator[Case]:
    """Say phrases many times in a row, without a pause or with short ones, alone or before a sentence."""
    for i, phrase in enumerate(TURNS * 2):
        times, voice, pitch = (
            MANY[(i * 3 + i // len(TURNS)) % len(MANY)],
            str(rng.choice(VOICES)),
            int(rng.integers(40, 60)),
        )
        end = (*SENTENCES[:4], "")[i % 5]
        speech = silent(0.3)
        for _ in range(times):
            turn = said(phrase, voice, int(rng.integers(140, 190)), pitch + int(rng.integers(-8, 8)))
            speech = speech.then(turn).then(silent(float(rng.uniform(0.02, 0.3))))
        if end:
            speech = speech.then(silent(0.2)).then(said(end, voice, 160, pitch))
        text = f"{', '.join([phrase] * times)}. {end}".strip()
        speech = speech.then(silent(0.3))
        yield Case("many turns", f"{phrase} x{times}", speech.sound, text, starts_s=speech.starts_s)


def _late(rng: np.random.Generator, text: str, word: np.ndarray, before: float, floor: float | None) -> Case:
    """Put one word after silence or noise of a level in dBFS."""
    sound = np.concatenate([silence(before), word, silence(0.5)])
    if floor is not None:
        sound = sound + coloured(rng, len(sound) / RATE + 0.001, 1.0, floor)[: len(sound)]
    name = f"at {before:.0f} s, floor {'none' if floor is None else f'{floor:.0f} dBFS'}"
    return Case("late word", name, sound.astype(np.float32), text, (before, before + len(word) / RATE))


def examples() -> Iterator[Case]:
    """Read the sound of the shipped examples that have any."""
    for path in sorted(p for p in shipped("examples").iterdir() if p.suffix in (".mp4", ".flac")):
        info = media.probe(path)
        if info.has_audio:
            yield Case("shipped", path.name, media.waveform(path, info), SHIPPED.get(path.name))
