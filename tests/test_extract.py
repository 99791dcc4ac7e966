"""From file to utterance: what is there, why the rest is not, and extraction of many clips."""

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import variants
from stand_ins import Encoder, Listener, Translator, middle

from msa_core import extract
from msa_core.config import MediaLimits
from msa_core.degrade import Degradation
from msa_core.errors import FeatureError, MediaError, MsaError
from msa_core.extract import Extractor
from msa_core.features import TUNED, store, watch
from msa_core.features.spoken import SILENT
from msa_core.schema import STREAMS, Stream, Word

GERMAN = "speech not understood (it sounds like German; only English is recognised)"


def reasons(utterance):
    return {s: utterance.stream(s).reason for s in STREAMS}


def test_everything_about_a_talking_clip(quick):
    steps = []
    u = quick.utterance(variants.REAL, progress=lambda step, share: steps.append((step, share)))
    assert (u.id, u.feature_set, u.transcript) == ("crema_happy.mp4", TUNED.id, "good day")
    for s in STREAMS:
        stream = u.stream(s)
        assert stream.present and stream.reason is None
        assert stream.values.dtype == stream.times_s.dtype == np.float32
        assert stream.values.shape == (len(stream.times_s), TUNED.dims[s])
        assert (np.diff(stream.times_s) > 0).all() and 0 <= stream.times_s[0] <= stream.times_s[-1] <= u.duration_s
    assert len(u.vision.values) == 10 and u.thumbnails and u.thumbnails[0].box is not None
    assert list(dict.fromkeys(s for s, _ in steps)) == list(watch.BEGINS) and [p for _, p in steps] == sorted(
        p for _, p in steps
    )
    assert list(u.timings_s) == list(watch.BEGINS) and all(t >= 0 for t in u.timings_s.values())


@pytest.mark.parametrize(
    "name, text, audio, vision",
    [
        ("mute.mp4", "no audio track", "no audio track", None),
        ("silent.mp4", SILENT, SILENT, None),
        ("black.mp4", None, None, "the picture is black"),
        ("black and silent.mp4", SILENT, SILENT, "the picture is black"),
        ("sound.flac", None, None, "no video track"),
        ("cover.mp3", None, None, "no video track"),
        ("one frame.mp4", "no audio track", "no audio track", None),
        ("recorded.webm", None, None, None),
    ],
)
def test_what_is_missing_and_why(quick, clip, name, text, audio, vision):
    u = quick.utterance(clip(name))
    assert reasons(u) == {"text": text, "audio": audio, "vision": vision, "simulated": text}
    assert (u.transcript, u.words) == (("", ()) if text else ("good day", u.words))


def test_sound_without_speech_is_no_voice(quick, tmp_path):
    path = variants.write(
        tmp_path / "soft.wav", wave=0.1 * variants.chords(1.0), audio="pcm_s16le", sample_format="s16"
    )
    u = quick.utterance(path)
    assert reasons(u)["text"] == reasons(u)["simulated"] == "no speech found"
    assert reasons(u)["audio"] == "sound without speech"


def test_a_picture_that_ends_early_is_said(quick, tmp_path):
    path = variants.write(tmp_path / "early.mp4", variants.pictures()[:12], variants.sound())
    assert "The last picture is at 0.2 s of 1.9 s." in quick.utterance(path).notes


@pytest.mark.slow
def test_damage_comes_before_every_reader(quick, monkeypatch):
    heard, seen = [], []
    monkeypatch.setattr(quick.speech, "read", lambda w, poll, **_: heard.append(w) or Listener().read(w))
    monkeypatch.setattr(quick.faces, "detector", lambda image: seen.append(image) or middle(image))
    plain, worse = (quick.utterance(variants.REAL, degradation=d) for d in (None, Degradation(blur=0.05, noise_db=5.0)))
    assert worse.notes[:2] == (
        "Noise was added to the sound at 5 dB.",
        "The picture was blurred by 5 % of its shorter side.",
    )
    assert plain.notes == worse.notes[2:]
    assert np.array_equal(Degradation(noise_db=5.0).sound(heard[0]), heard[1])
    n = len(seen) // 2
    assert (
        np.abs(np.diff(seen[n].astype(int), axis=1)).mean() < 0.5 * np.abs(np.diff(seen[0].astype(int), axis=1)).mean()
    )
    assert not np.array_equal(plain.thumbnails[0].image, worse.thumbnails[0].image), "thumbnails show the blurred one"


def test_chinese_is_answered_from_its_translation(quick):
    u = quick.utterance(variants.REAL, spoken="zh")
    assert (u.transcript, u.translation) == ("你好", "good day") and [w.text for w in u.words] == ["good", "day"]
    assert reasons(u) == {
        "text": None,
        "audio": None,
        "vision": None,
        "simulated": "text is simulated from English speech only",
    }
    assert u.audio.values.shape[1] == TUNED.dims["audio"], "frames are those of the English reader"
    assert u.notes[0] == "translated" and quick.utterance(variants.REAL).translation == ""


def test_another_whisper_hears_the_words_and_nothing_else(quick, monkeypatch):
    class Other(Listener):
        def read(self, waveform, poll=lambda: None, any_language=False):
            words = (Word("better", 0.2, 0.5),)
            return replace(super().read(waveform), words=words, transcript="better", states=np.ones((9, 7)))

    parts = (quick.speech, quick.text, quick.voice_network, quick.projector, quick.faces, None)
    plain, other = quick.utterance(variants.REAL), Extractor(*parts, Other()).utterance(variants.REAL)
    assert (other.transcript, [w.text for w in other.words]) == ("better", ["better"])
    for stream in ("audio", "simulated", "vision"):
        assert np.array_equal(other.stream(stream).values, plain.stream(stream).values)
    own = extract.heard_by("base")
    assert own.id == TUNED.id and own.extractors[-1] == "words by whisper-base" and extract.heard_by("tiny.en") == TUNED
    assert store.key(variants.REAL, feature_set=own) != store.key(variants.REAL)


def test_the_reader_of_chinese_is_made_once_and_only_for_chinese(quick):
    made = []
    parts = (quick.speech, quick.text, quick.voice_network, quick.projector, quick.faces)
    extractor = Extractor(*parts, lambda: made.append(1) or Translator())
    extractor.utterance(variants.REAL)
    assert made == []
    work = {"target": extractor.utterance, "args": (variants.REAL,), "kwargs": {"spoken": "zh"}}
    threads = [threading.Thread(**work), threading.Thread(**work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_another_language_is_refused(quick):
    with pytest.raises(MsaError, match="^Unknown spoken language 'fr'. Choose from: en, zh.$"):
        quick.utterance(variants.REAL, spoken="fr")


def test_uncertain_words_are_said_to_be(quick, monkeypatch):
    said = Listener().read(variants.sound())
    for certainty, note in ((-0.3, False), (-1.1, True)):
        monkeypatch.setattr(quick.speech, "read", lambda w, poll, p=certainty, **_: replace(said, log_probability=p))
        assert (extract.UNCERTAIN_NOTE in quick.utterance(variants.REAL).notes) == note


def test_words_of_another_language_are_left_out_and_the_voice_is_kept(quick, monkeypatch):
    said, asked = Listener().read(variants.sound()), []

    def read(wave, poll, any_language):
        asked.append(any_language)
        return said if any_language else replace(said, words=(), transcript="", no_speech_reason=GERMAN)

    monkeypatch.setattr(quick.speech, "read", read)
    u, used = quick.utterance(variants.REAL), quick.utterance(variants.REAL, any_language=True)
    assert reasons(u) == {"text": GERMAN, "audio": None, "vision": None, "simulated": GERMAN} and u.transcript == ""
    assert set(reasons(used).values()) == {None} and used.transcript == "good day" and asked == [False, True]
    assert np.array_equal(u.audio.values, used.audio.values)


class Gone(Exception):
    """What a progress raises when the visitor has left."""


@pytest.mark.parametrize("step", list(watch.BEGINS))
def test_an_interruption_ends_both_threads(quick, step):
    before = set(threading.enumerate())

    def leave(now, share):
        if now == step:
            raise Gone

    with pytest.raises(Gone):
        quick.utterance(variants.REAL, progress=leave)
    assert set(threading.enumerate()) <= before


@pytest.mark.slow
def test_an_interruption_of_a_waiting_face_is_soon(quick, monkeypatch):
    """Faces that would take 100 s and a sound that is read at once."""
    monkeypatch.setattr(quick.faces, "detector", lambda image: time.sleep(0.1) or middle(image))
    monkeypatch.setattr(
        extract.media, "frames", lambda *_, **__: ((i / 5, variants.pictures()[0][1]) for i in range(1000))
    )
    start, before = time.monotonic(), set(threading.enumerate())

    def leave(step, share):
        if time.monotonic() - start > 0.6:
            raise Gone

    with pytest.raises(Gone):
        quick.utterance(variants.REAL, progress=leave)
    assert time.monotonic() - start < 2.5 and set(threading.enumerate()) <= before


def test_a_sound_that_fails_does_not_wait_for_the_faces(quick, monkeypatch):
    monkeypatch.setattr(quick.faces, "detector", lambda image: time.sleep(0.1) or middle(image))
    monkeypatch.setattr(
        extract.media, "frames", lambda *_, **__: ((i / 5, variants.pictures()[0][1]) for i in range(1000))
    )
    monkeypatch.setattr(quick.speech, "read", lambda w, poll, **_: 1 / 0)
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        quick.utterance(variants.REAL)
    assert time.monotonic() - start < 2.5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(quick, monkeypatch, bad):
    monkeypatch.setattr(Encoder, "fill", bad)
    with pytest.raises(
        FeatureError, match="^The text features of crema_happy.mp4 hold NaN or infinity. Export the clip"
    ):
        quick.utterance(variants.REAL)


def test_features_of_another_width_are_refused(quick, monkeypatch):
    monkeypatch.setattr(Encoder, "encode_words", lambda self, words: Stream(np.ones((2, 5)), np.arange(2)))
    with pytest.raises(FeatureError, match=r"have shape \(2, 5\), expected \(2, 384\)"):
        quick.utterance(variants.REAL)


@pytest.mark.parametrize("name", ["text.mp4", "empty.mp4", "no index.mp4", "header only.mkv", "nan.wav", "photo.png"])
def test_bad_files_raise_one_line_and_leave_nothing(quick, clip, nothing_left, name):
    path = clip(name)
    before = sorted(path.parent.iterdir())
    with pytest.raises(MediaError, match=rf"^{name} .*\.$"):
        quick.utterance(path)
    assert sorted(path.parent.iterdir()) == before


def test_limits_are_obeyed(quick):
    with pytest.raises(MediaError, match="the limit is 1 s"):
        quick.utterance(variants.REAL, MediaLimits(max_duration_s=1.0))


@pytest.mark.parametrize("name", ["sound.flac", "mute.mp4", "black and silent.mp4"])
def test_saved_features_come_back_whole(quick, clip, tmp_path, name):
    u = quick.utterance(clip(name))
    store.save(u, tmp_path / "deep" / "u.npz")
    back = store.load(tmp_path / "deep" / "u.npz")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["u.npz"]
    for field in ("id", "duration_s", "feature_set", "transcript", "translation", "words", "notes", "label", "prosody"):
        assert getattr(back, field) == getattr(u, field)
    assert dict(back.timings_s) == dict(u.timings_s) and reasons(back) == reasons(u)
    for s in STREAMS:
        if u.stream(s).present:
            assert np.array_equal(back.stream(s).values, u.stream(s).values)
            assert np.array_equal(back.stream(s).times_s, u.stream(s).times_s)


def test_prosody_is_measured_with_the_voice(quick, clip):
    heard = quick.utterance(variants.REAL).prosody
    assert heard.words_per_s == pytest.approx(2 / 0.8) and heard.pauses_s == () and heard.reasons == {}
    assert 150 < heard.pitch_hz < 190 and 0.2 < heard.voiced_share < 0.6
    assert quick.utterance(variants.REAL, spoken="zh").prosody.reasons == {"words": "the words are a translation"}
    assert [quick.utterance(clip(n)).prosody for n in ("mute.mp4", "black and silent.mp4")] == [None, None]


def test_files_written_before_prosody_was_measured_are_read(quick, tmp_path):
    store.save(quick.utterance(variants.REAL), tmp_path / "u.npz")
    with np.load(tmp_path / "u.npz") as stored:
        arrays = dict(stored)
    facts = json.loads(bytes(arrays.pop("facts")))
    del facts["prosody"]
    np.savez(tmp_path / "u.npz", facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)
    back = store.load(tmp_path / "u.npz")
    assert back.prosody is None and back.audio.present


def test_a_translation_is_saved(quick, tmp_path):
    store.save(quick.utterance(variants.REAL, spoken="zh"), tmp_path / "u.npz")
    back = store.load(tmp_path / "u.npz")
    assert (back.transcript, back.translation) == ("你好", "good day")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 damaged", b"text"])
def test_damaged_features_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "u.npz").write_bytes(content)
    with pytest.raises(FeatureError, match="^u.npz holds no features of ours .*Extract the clip again.$"):
        store.load(tmp_path / "u.npz")


def test_pickles_are_not_opened(tmp_path):
    np.savez(tmp_path / "u.npz", facts=np.array([{"key": 1}], dtype=object))
    with pytest.raises(FeatureError, match="holds no features of ours"):
        store.load(tmp_path / "u.npz")


def test_an_output_that_cannot_be_written(quick, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FeatureError, match="^Cannot write u.npz .* Give a folder you may write to.$"):
        store.save(quick.utterance(variants.REAL), tmp_path / "file" / "u.npz")


class TestShippedModels:
    """The same with the shipped weights."""

    @pytest.mark.slow
    def test_words_and_times_of_a_known_speech(self, analyser):
        u = analyser.extract(variants.EXAMPLES / "jfk.flac")
        assert "ask not what your country can do for you" in u.transcript.lower().replace(",", "")
        assert (np.diff(u.text.times_s) >= 0).all() and 9 < u.words[-1].end_s <= 11
        assert reasons(u)["vision"] == "no video track"

    @pytest.mark.slow
    def test_an_interruption_within_the_words_is_soon(self, analyser, monkeypatch):
        monkeypatch.setattr(watch, "POLL_S", 0.0)  # however fast the words are decoded
        before, told = set(threading.enumerate()), []

        def leave(step, share):
            told.append(step)
            if told.count("speech") == 2:  # in the middle of decoding
                raise Gone

        start = time.monotonic()
        with pytest.raises(Gone):
            analyser.extractor.utterance(variants.EXAMPLES / "latentsync_demo1.mp4", progress=leave)
        assert time.monotonic() - start < 5 and set(threading.enumerate()) <= before
        assert analyser.extractor.utterance(variants.REAL).transcript, "the models are as they were"

    @pytest.mark.slow
    def test_a_blurred_face_and_a_drowned_voice_are_worse(self, analyser):
        clear = analyser.extract(variants.REAL)
        worse = analyser.extract(variants.REAL, degradation=Degradation(blur=0.1, noise_db=-10.0))
        found = 0.0 if worse.vision.values is None else worse.vision.values[:, -1].mean()
        assert clear.vision.values[:, -1].mean() == 1 and found < 1
        assert worse.transcript != clear.transcript

    def test_music_is_not_a_voice(self, analyser, clip):
        found = reasons(analyser.extract(clip("music.wav")))
        assert (found["text"], found["audio"]) == ("no speech found", "sound without speech")

    @pytest.mark.slow
    def test_two_faces_follow_the_larger(self, analyser, clip):
        u = analyser.extract(clip("two faces.mp4"))
        assert any("2 faces" in n for n in u.notes)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["hevc.mp4", "mpeg4.avi", "vp9.webm", "late.mkv"])
    def test_containers_give_the_same_answer(self, analyser, clip, name):
        a, b = analyser.extract(variants.REAL), analyser.extract(clip(name))
        assert a.transcript == b.transcript
        assert np.abs(a.vision.values[:, -2] - b.vision.values[: len(a.vision.values), -2]).mean() < 0.35

    @pytest.mark.slow
    def test_a_turned_clip_keeps_its_face(self, analyser, tmp_path):
        """Stored lying on its side with a matrix that stands it up, as a phone does."""
        lying = [(t, np.rot90(x)) for t, x in variants.pictures()]
        path = variants.write(tmp_path / "phone.mp4", lying, variants.sound())
        path.write_bytes(variants.tilted(path.read_bytes(), 90))
        u = analyser.extract(path)
        assert u.vision.present and u.vision.values[:, -1].all()
