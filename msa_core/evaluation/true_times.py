"""True starts of spoken words: espeak-ng says itself, in its library's events, at which sample each word begins."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import subprocess
import sys
from dataclasses import dataclass

LIBRARY = ctypes.util.find_library("espeak-ng")  # None where it is not installed
SYNCHRONOUS, WORD, RATE_PARAMETER, PITCH_PARAMETER = 2, 1, 1, 3  # of speak_lib.h
PAUSE_AT_END, PHONEMES = 0x1000, 0x100  # as the command line speaks


@dataclass(frozen=True)
class TrueTimes:
    """What the synthesiser says of one text.

    samples: length of its sound, which has to be that of the sound the times are used for.
    starts_s: each word, in lower-case letters and digits, with the second at which it begins in that sound.
    """

    samples: int
    starts_s: tuple[tuple[str, float], ...]


def true_times(text: str, voice: str, speed: int, pitch: int) -> TrueTimes | None:
    """Ask espeak-ng's library when each word of an ASCII text begins; None where it cannot say.

    A new process is asked each time, because a voice depends on the texts that were said before it.
    """
    if LIBRARY is None or not text.isascii():
        return None
    command = [sys.executable, "-I", __file__, LIBRARY, text, voice, str(speed), str(pitch)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        return None
    rate, samples, events = json.loads(done.stdout)
    return TrueTimes(samples, tuple((plain(text[at:].split()[0]), sample / rate) for at, sample in events))


def plain(word: str) -> str:
    """Write a word in lower case without its punctuation."""
    return "".join(c for c in word.lower() if c.isalnum())


class _Event(ctypes.Structure):
    """`espeak_EVENT`; `position` counts the characters from 1."""

    _fields_ = (
        *(("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("position", ctypes.c_int), ("length", ctypes.c_int)),
        *(("audio_ms", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("id", ctypes.c_char * 8)),
    )


class _Voice(ctypes.Structure):
    """`espeak_VOICE`."""

    _fields_ = (
        *(("name", ctypes.c_char_p), ("languages", ctypes.c_char_p), ("identifier", ctypes.c_char_p)),
        *(("gender", ctypes.c_ubyte), ("age", ctypes.c_ubyte), ("variant", ctypes.c_ubyte), ("unused", ctypes.c_ubyte)),
        *(("score", ctypes.c_int), ("spare", ctypes.c_void_p)),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


def _said(library: str, text: str, voice: str, speed: int, pitch: int) -> tuple[int, int, list[tuple[int, int]]]:
    """Say a text in this process. Returns: sampling rate, samples, and place in the text and sample of each word."""
    lengths: list[int] = []
    words: list[tuple[int, int]] = []

    def heard(_sound: int | None, samples: int, events: ctypes.Array[_Event]) -> int:
        lengths.append(samples)
        k = 0
        while events[k].type != 0:  # the list ends with an event of type 0
            if events[k].type == WORD:
                words.append((events[k].position - 1, events[k].sample))
            k += 1
        return 0

    engine, callback = ctypes.CDLL(library), _CALLBACK(heard)
    rate = engine.espeak_Initialize(SYNCHRONOUS, 200, None, 0)
    engine.espeak_SetSynthCallback(callback)
    if rate <= 0:
        sys.exit(1)
    # A voice is found by its name, else by its language, as the command line does.
    if engine.espeak_SetVoiceByName(voice.encode()) != 0:
        wanted = _Voice(languages=voice.encode())
        if engine.espeak_SetVoiceByProperties(ctypes.byref(wanted)) != 0:
            sys.exit(1)
    engine.espeak_SetParameter(RATE_PARAMETER, speed, 0)
    engine.espeak_SetParameter(PITCH_PARAMETER, pitch, 0)
    said = text.encode()
    engine.espeak_Synth(said, ctypes.c_size_t(len(said) + 1), 0, 1, 0, PAUSE_AT_END | PHONEMES, None, None)
    engine.espeak_Synchronize()
    return rate, sum(lengths), words


if __name__ == "__main__":
    print(json.dumps(_said(*sys.argv[1:4], *map(int, sys.argv[4:6]))))  # type: ignore[call-arg,arg-type]
