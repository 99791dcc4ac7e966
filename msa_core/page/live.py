"""The Live tab: pictures and sound of the last seconds come in small requests, each answered with scores as JSON.

A request is `/live/NAME`: `enter` gives a seat or a place in the queue, `place` asks for it again, `step` brings what
is new and takes the answer, `leave` ends the visit. Nothing of it is written: a body is read into memory, and the
window forgets what is older than its length.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from msa_core import live, media
from msa_core.errors import MsaError
from msa_core.features.weights import Once
from msa_core.i18n import LANGUAGES, use
from msa_core.page.components import Words, html
from msa_core.page.scripts import script
from msa_core.page.seats import IDLE_S, Place, Seats
from msa_core.page.session import Left
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES
from msa_core.views import live as view

LARGEST = 1024 * 1024  # bytes of one request
MOST_PICTURES, MOST_SOUND_S = 20, 4.0  # of one request: after a pause of the network it holds more than one step
RATES_HZ = (8_000, 192_000)  # of the sound that a browser may send


@dataclass(frozen=True)
class Step:
    """One request of a live visitor: what is new, and what the answer shall be made of."""

    now_s: float
    pictures: tuple[live.Picture, ...]
    sound: np.ndarray  # (N,) int16 at rate_hz
    rate_hz: int
    dropped: tuple[str, ...]
    method: str
    language: str


class Seat:
    """What one live visitor has on the server: the window, and the resampler of its sound."""

    def __init__(self, window: live.Window) -> None:
        self.window, self.busy = window, threading.Lock()
        self._resampler: tuple[int, Any] | None = None

    def sound(self, samples: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return int16 samples (N,) that follow those before them as float32 at 16 kHz."""
        if rate_hz == media.SAMPLE_RATE_HZ or not len(samples):
            return samples.astype(np.float32) / 32768
        if self._resampler is None or self._resampler[0] != rate_hz:
            self._resampler = rate_hz, av.AudioResampler("flt", "mono", media.SAMPLE_RATE_HZ)
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = rate_hz
        found = [f.to_ndarray()[0] for f in self._resampler[1].resample(frame)]
        return np.concatenate([np.zeros(0, np.float32), *found])


class LiveRoom:
    """The seats of the live visitors, and the answers to their requests."""

    def __init__(self, analyser: Analyser) -> None:
        self.analyser = analyser
        self.seats: Seats[Seat] = Seats(visitors(), self._seat)
        self._reader = Once(lambda: live.word_reader(analyser.extractor.speech))
        self._words = ThreadPoolExecutor(self.seats.most, thread_name_prefix="live-words")

    def _seat(self) -> Seat:
        return Seat(live.Window(self.analyser.extractor, self._reader()))

    async def answer(self, request: Request) -> Response:
        """Answer one request of the tab's script."""
        action, name = request.path_params["name"], request.query_params.get("id", "")
        if action == "enter":
            entered = await asyncio.to_thread(self.seats.enter)
            return JSONResponse({"ended": "full"} if entered is None else {"id": entered, **self._where(entered)})
        if action == "place":
            return JSONResponse(self._where(name))
        if action == "leave":
            self.seats.leave(name)
            return Response(status_code=204)
        if action != "step":
            return Response(status_code=404)
        place = self.seats.place(name)
        if place.seat is None:  # the body is not even received
            return JSONResponse(_told(place))
        body = await _received(request)
        if body is None:
            return Response("A live request is larger than 1 MB.", status_code=413)
        try:
            return JSONResponse(await asyncio.to_thread(self._step, name, place.seat, body))
        except MsaError as e:
            return Response(str(e), status_code=400)

    def _where(self, name: str) -> dict[str, object]:
        return _told(self.seats.place(name))

    def _step(self, name: str, seat: Seat, body: bytes) -> dict[str, object]:
        """Take what is new into the window and score it. Raises: MsaError."""
        step = read_step(body, self.analyser.methods)
        if not seat.busy.acquire(blocking=False):
            raise MsaError("The request before this one is not answered yet.")
        try:
            window = seat.window
            window.add(step.pictures, seat.sound(step.sound, step.rate_hz), step.now_s)
            if window.words_due():
                self._words.submit(self._read_words, name, window)
            utterance, face = window.utterance()
        finally:
            seat.busy.release()
        if utterance.audio.present or utterance.vision.present:
            self.seats.active(name)
        simulated = self.analyser.reads_simulated_text(step.method)
        with use(step.language):
            try:
                scored = self.analyser.scores(utterance, step.method, step.dropped, text_source="transcript")
            except MsaError:
                scored = None  # nothing is left: the state says why
            return {"seated": True, **view.state(utterance, face, step.dropped, step.method, scored, simulated)}

    def _read_words(self, name: str, window: live.Window) -> None:
        """Read the words of a visitor's window, as long as they are there."""

        def poll() -> None:
            if not self.seats.has(name):
                raise Left

        try:
            window.read_words(poll)
        except Left:
            pass
        except Exception:  # a fault: nobody waits for the result of this thread
            traceback.print_exc()


def visitors() -> int:
    """Return how many may be live at a time: MSA_LIVE, or one for two CPU cores."""
    told = os.environ.get("MSA_LIVE", "")
    return int(told) if told.isdecimal() else max(1, (os.cpu_count() or 1) // 2)


def live_tab(room: LiveRoom, words: Words) -> None:
    """Build the tab."""
    words.put(
        html,
        lambda: {"value": view.panel(room.analyser.methods, live.WINDOW_S, IDLE_S)},
        name="mm-live",
        script=script("live"),
    )


def read_step(body: bytes, methods: tuple[str, ...]) -> Step:
    """Read a request: the length of its head (4 bytes, little-endian), the head as JSON, pictures, sound.

    Args:
        body: of the request. Its head has `now` (s), `pictures` (time in s and bytes of each JPEG), `rate` (of the
            sound, in Hz), `off` (modalities), `method` and `language`; the sound is what follows the pictures, int16.
        methods: that can be chosen.

    Raises:
        MsaError: it is none; MediaError: a picture is none.
    """
    try:
        length = struct.unpack_from("<I", body)[0]
        head = json.loads(body[4 : 4 + length])
        now_s, rate_hz = float(head["now"]), int(head["rate"])
        parts = [(float(time_s), int(size)) for time_s, size in head["pictures"]]
        off, method, language = {str(m) for m in head["off"]}, str(head["method"]), str(head["language"])
    except (struct.error, ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:
        raise MsaError(f"A live request has no valid head ({type(e).__name__}).") from e
    times = [t for t, _ in parts]
    wrong = (
        (not np.isfinite([now_s, *times]).all() and "a time that is no number")
        or (times != sorted(times) and "pictures out of order")
        or (len(parts) > MOST_PICTURES and f"more than {MOST_PICTURES} pictures")
        or (any(size < 0 for _, size in parts) and "a picture of negative size")
        or (not RATES_HZ[0] <= rate_hz <= RATES_HZ[1] and f"a sample rate of {rate_hz} Hz")
        or (not off <= set(MODALITIES) and f"unknown modalities {sorted(off)}")
        or (method not in methods and f"an unknown method {method!r}")
        or (language not in LANGUAGES and f"an unknown language {language!r}")
    )
    if wrong:
        raise MsaError(f"A live request has {wrong}.")
    pictures, at = [], 4 + length
    for time_s, size in parts:
        pictures.append(live.Picture(time_s, media.jpeg(body[at : at + size])))
        at += size
    rest = body[at:]
    sound = np.frombuffer(rest[: len(rest) // 2 * 2], "<i2")[-round(MOST_SOUND_S * rate_hz) :]
    return Step(now_s, tuple(pictures), sound, rate_hz, tuple(m for m in MODALITIES if m in off), method, language)


def _told(place: Place[Seat]) -> dict[str, object]:
    return {"seated": place.seat is not None, "ahead": place.ahead, "ended": place.ended}


async def _received(request: Request) -> bytes | None:
    """Receive a body into memory; None when it is too large."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > LARGEST:
        return None
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts)
