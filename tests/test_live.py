"""The live window: the same scores as from a file, pictures and sound that pass, and reasons for what is missing."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from paths import EXAMPLES

from msa_core import live, media
from msa_core.live import Picture, Window, word_reader
from msa_core.schema import MODALITIES

RATE = media.SAMPLE_RATE_HZ
STEP_S = 0.25


def clip(name):
    """The pictures of an example, and its sound."""
    path = EXAMPLES / name
    info = media.probe(path)
    return [Picture(t, image) for t, image in media.frames(path, info)], media.waveform(path, info)


def tone(seconds):
    """A tone of 300 Hz; a constant would be an offset, which is silence."""
    return (0.5 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def play(window, pictures, sound, begin_s=0.0):
    """Give a window a clip as it would come from a camera, a quarter of a second at a time."""
    size = round(STEP_S * RATE)
    for start in range(0, len(sound), size):
        now_s = min(start + size, len(sound)) / RATE
        due = [p for p in pictures if start / RATE <= p.time_s < now_s or (p.time_s == now_s == len(sound) / RATE)]
        moved = [Picture(p.time_s + begin_s, p.image) for p in due]
        window.add(moved, sound[start : start + size], now_s + begin_s)


@pytest.fixture(scope="module")
def reader(analyser):
    return word_reader(analyser.extractor.speech)


@pytest.mark.parametrize("name", ["crema_happy.mp4", "grid_bbaf2n.mp4"])  # shorter than the window, and as long
def test_a_window_is_scored_as_the_file_of_the_same_seconds(analyser, reader, name):
    window, (pictures, sound) = Window(analyser.extractor, reader), clip(name)
    rng = np.random.default_rng(0)  # what was before passes, and leaves nothing
    before = [Picture(t, rng.integers(0, 255, (60, 80, 3), np.uint8)) for t in np.arange(0, 3, 0.2)]
    if len(sound) >= live.WINDOW_S * RATE:
        play(window, before, rng.normal(0, 0.2, 3 * RATE).astype(np.float32), begin_s=-3)
    play(window, pictures, sound)
    window.read_words()
    utterance, face = window.utterance()
    read = analyser.extract(EXAMPLES / name)
    assert utterance.transcript == read.transcript and utterance.words == read.words
    assert all(utterance.stream(s).present for s in MODALITIES) and face is not None
    for method in analyser.methods:
        for dropped in ((), ("text",), ("vision",), ("text", "audio")):
            scores, interval, _ = analyser.scores(utterance, method, dropped)
            wanted = analyser.predict(read, method, dropped)
            assert scores == pytest.approx(wanted.scores, abs=1e-4), (method, dropped)
            assert interval == pytest.approx(wanted.interval, abs=1e-4)


def test_small_pictures_change_a_score_little(analyser, reader):
    """The browser sends JPEG pictures of 320 pixels; a file is read at up to 640."""
    (pictures, sound), windows = clip("crema_happy.mp4"), []
    small = []
    for p in pictures:
        size = 320, round(320 * p.image.shape[0] / p.image.shape[1])
        bgr = cv2.resize(p.image, size, interpolation=cv2.INTER_AREA)[..., ::-1]
        small.append(
            Picture(p.time_s, media.jpeg(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()))
        )
    for shown in (pictures, small):
        window = Window(analyser.extractor, reader)
        play(window, shown, sound)
        window.read_words()
        windows.append(analyser.scores(window.utterance()[0], "sdumc")[0])
    assert windows[1] == pytest.approx(windows[0], abs=0.05)


def test_words_stay_until_the_next_reading_and_the_voice_goes_on(quick):
    window, sound = Window(quick, quick.speech), tone(1.0)
    window.add(sound=sound[:8000], sound_s=0.5)
    assert not window.words_due()
    window.add(sound=sound, sound_s=1.5)
    assert window.words_due()
    window.read_words()
    assert not window.words_due()
    window.add(sound=sound, sound_s=2.5)
    first, _ = window.utterance()
    assert first.transcript == "good day" and len(first.audio.values) == 25
    window.add(sound=sound, sound_s=3.5)
    later, _ = window.utterance()
    assert window.words_due() and later.transcript == "good day" and len(later.audio.values) == 30
    window.add(sound=sound * 0.1, sound_s=6.5)  # soft: the stand-in hears no words
    window._sound = window._sound * 0.1
    window.read_words()
    assert (window.utterance()[0].text.reason, window.utterance()[0].audio.reason) == (
        "no speech found", "sound without speech",
    )  # fmt: skip


def test_what_is_missing_has_a_reason(quick):
    window = Window(quick, quick.speech)
    assert window.utterance()[0].vision.reason == "no camera"
    assert window.utterance()[0].audio.reason == "no microphone"
    bright = np.full((120, 160, 3), 200, np.uint8)
    for k in range(15):
        window.add([Picture(k / 5, bright)], np.zeros(RATE // 5, np.float32), k / 5)
    utterance, face = window.utterance()
    assert utterance.vision.present and len(utterance.vision.values) == 15 and face is not None
    assert utterance.audio.reason == utterance.text.reason == "silent audio track (below -60 dBFS)"
    window.add(sound=tone(1.0), sound_s=3.8)
    assert window.utterance()[0].audio.reason == "the first words are being read"
    for k in range(10):
        window.add([Picture(4 + k / 5, bright * 0)], None)
    for k in range(15):
        window.add([Picture(6 + k / 5, bright * 0)], None)
    assert window.utterance()[0].vision.reason == "the picture is black"
    assert window.utterance()[0].audio.reason == "no microphone", "its sound is older than the window"
    window.add(sound=tone(1.0), sound_s=20)
    assert window.utterance()[0].vision.reason == "no camera", "its pictures are older than the window"
    assert len(window._looks) == 0


def test_pictures_too_near_are_left_out_and_nothing_grows(quick):
    window, image = Window(quick, quick.speech), np.full((60, 80, 3), 200, np.uint8)
    for k in range(400):
        window.add([Picture(k / 50, image)], np.zeros(RATE // 50, np.float32), k / 50)
    assert len(window._looks) <= live.WINDOW_S / live.NEAR_S + 1 and len(window._sound) == 3 * RATE
    window.add([Picture(1.0, image)], None)  # out of order
    assert window._looks[-1][0] > 7


def test_words_are_read_by_one_thread_at_a_time_and_a_visitor_who_left_ends_it(quick):
    class Slow:
        def read(self, sound, poll):
            started.set()
            finish.wait(10)
            poll()

    def left():
        raise RuntimeError

    started, finish, errors = threading.Event(), threading.Event(), []
    window = Window(quick, Slow())
    window.add(sound=tone(2.0), sound_s=2.0)

    def reading():
        try:
            window.read_words(left)
        except RuntimeError as e:
            errors.append(e)

    thread = threading.Thread(target=reading)
    thread.start()
    assert started.wait(10) and not window.words_due()
    window.read_words()  # does nothing
    finish.set()
    thread.join(10)
    assert len(errors) == 1 and window.utterance()[0].text.reason == "the first words are being read"


def test_the_reader_of_words_shares_the_weights_and_waits_for_no_clip(analyser, reader):
    own, other = analyser.extractor.speech, reader
    assert all(a is b for a, b in zip(own.model.parameters(), other.model.parameters(), strict=True))
    assert own.model.decoder is not other.model.decoder and own._lock is not other._lock and other.second() is None
