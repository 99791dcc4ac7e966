"""The requests of the Live tab: read strictly, answered with the scores of the window, kept nowhere."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from paths import EXAMPLES
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from msa_core import media
from msa_core.errors import MsaError
from msa_core.page import live, seats
from msa_core.page.live import LiveRoom, Seat, read_step, visitors

HEAD = {"now": 1.0, "rate": 16_000, "pictures": [], "off": [], "method": "sdumc", "language": "en"}
METHODS = ("sdumc", "corrkd")


def body(head: Any, *parts: bytes) -> bytes:
    text = json.dumps(head).encode()
    return struct.pack("<I", len(text)) + text + b"".join(parts)


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()


def test_a_request_is_read() -> None:
    picture = jpeg(np.full((24, 32, 3), 200, np.uint8))
    sound = np.arange(-5, 5, dtype="<i2")
    head = HEAD | {"pictures": [[0.8, len(picture)], [1.0, len(picture)]], "off": ["vision", "text"]}
    step = read_step(body(head, picture, picture, sound.tobytes()), METHODS)
    assert [p.time_s for p in step.pictures] == [0.8, 1.0] and step.pictures[0].image.shape == (24, 32, 3)
    assert step.sound.tolist() == sound.tolist() and step.dropped == ("text", "vision")
    assert len(read_step(body(HEAD, bytes(2 * 16_000 * 9)), METHODS).sound) == live.MOST_SOUND_S * 16_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"now": "x"}, "no valid head"),
        ({"now": None}, "no valid head"),
        ({"now": float("nan")}, "a time that is no number"),
        ({"now": 10**400}, "no valid head"),
        ({"pictures": [[1, 2, 3]]}, "no valid head"),
        ({"pictures": [[2, 1], [1, 1]]}, "out of order"),
        ({"pictures": [[1, -1]]}, "negative size"),
        ({"pictures": [[1, 1]] * 99}, "more than 20 pictures"),
        ({"pictures": [[1, 4]]}, "not a JPEG"),
        ({"rate": 0}, "sample rate"),
        ({"off": ["smell"]}, "unknown modalities"),
        ({"method": "x"}, "unknown method"),
        ({"language": "xx"}, "unknown language"),
    ],
)
def test_a_wrong_request_is_one_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(MsaError, match=said):
        read_step(body(HEAD | change, b"none"), METHODS)


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\xff\xff\xff\xff{}", b"\x02\x00\x00\x00[]", struct.pack("<I", 9) + b"[" * 9]
)
def test_no_request_at_all(data: bytes) -> None:
    with pytest.raises(MsaError, match="no valid head"):
        read_step(data, METHODS)


def test_sound_of_another_rate_is_brought_to_16_khz() -> None:
    seat, t = Seat(None), np.arange(48_000) / 48_000  # type: ignore[arg-type]
    wave = (np.sin(2 * np.pi * 440 * t) * 16_000).astype("<i2")
    found = np.concatenate([seat.sound(part, 48_000) for part in np.array_split(wave, 10)])
    assert found.dtype == np.float32 and 15_900 < len(found) <= 16_000
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(found)) / 16_000) * 16_000 / 32768
    assert np.abs(found[500:-500] - wanted[500:-500]).max() < 0.02
    assert seat.sound(wave[:3], 16_000).tolist() == pytest.approx((wave[:3] / 32768).tolist())


def test_how_many_may_be_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.os, "cpu_count", lambda: 2)
    assert visitors() == 1
    monkeypatch.setattr(live.os, "cpu_count", lambda: 16)
    assert visitors() == 8
    monkeypatch.setenv("MSA_LIVE", "3")
    assert visitors() == 3


@pytest.fixture
def ask(analyser: Any) -> Iterator[Callable[..., Any]]:
    """`ask(name, id, body)`: the answer of a room with one seat."""
    room = LiveRoom(analyser)
    room.seats.most = 1
    with TestClient(Starlette(routes=[Route("/live/{name}", room.answer, methods=["POST"])])) as client:

        def post(name: str, visitor: str = "", content: bytes = b"") -> Any:
            return client.post(f"/live/{name}", params={"id": visitor} if visitor else {}, content=content)

        post.room = room  # type: ignore[attr-defined]
        yield post


def test_a_visitor_is_scored_and_the_next_one_waits(
    ask: Any, analyser: Any, nothing_left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(nothing_left))
    path = EXAMPLES / "crema_happy.mp4"
    info = media.probe(path)
    wave = (media.waveform(path, info) * 32767).astype("<i2")
    shots = [(t, jpeg(image)) for t, image in media.frames(path, info)]
    first = ask("enter").json()
    assert first["seated"] and first["ended"] is None
    second = ask("enter").json()
    assert not second["seated"] and second["ahead"] == 1
    head = HEAD | {"now": len(wave) / 16_000, "pictures": [[t, len(data)] for t, data in shots]}
    content = body(head, *[data for _, data in shots], wave.tobytes())
    assert ask("step", second["id"], content).json() == {"seated": False, "ahead": 1, "ended": None}
    answer = ask("step", first["id"], content).json()
    assert answer["seated"] and answer["modalities"]["vision"] == {"present": True, "said": "face found"}
    ask.room._words.shutdown(wait=True)  # the words are read by then
    off = HEAD | {"now": len(wave) / 16_000, "off": ["vision"], "language": "zh"}
    answer = ask("step", first["id"], body(off)).json()
    assert answer["transcript"] == "Don't forget to check it." and answer["kept"]["missing"] == "文本 + 语音"
    wanted = analyser.predict(analyser.extract(path), "sdumc", ["vision"]).scores
    assert answer["marks"]["left"]["score"] == pytest.approx(wanted["complete_model_left"], abs=2e-3)
    assert answer["marks"]["missing"]["score"] == pytest.approx(wanted["missing_model_left"], abs=2e-3)
    assert answer["marks"]["full"]["score"] == pytest.approx(wanted["complete_model_full"], abs=0.2)  # pictures as JPEG
    nothing = ask("step", first["id"], body(HEAD | {"now": 2.0, "off": ["text", "audio", "vision"]})).json()
    assert nothing["marks"] == {} and nothing["sentence"] == "Nothing is left: switch something on."
    assert ask("leave", first["id"]).status_code == 204
    assert ask("place", second["id"]).json()["seated"] is True
    assert ask("place", first["id"]).json()["ended"] == "lost"


def test_what_is_refused(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = ask("enter").json()["id"]
    assert ask("step", visitor, b"x").status_code == 400
    assert ask("step", visitor, bytes(live.LARGEST + 1)).status_code == 413
    assert ask("step", "nobody", bytes(10)).json()["ended"] == "lost"
    assert ask("other").status_code == 404
    ask.room.seats.place(visitor).seat.busy.acquire()
    assert ask("step", visitor, body(HEAD)).status_code == 400
    monkeypatch.setattr(seats, "MOST_WAITING", 0)
    assert ask("enter").json() == {"ended": "full"}


def test_a_fault_while_words_are_read_is_in_the_log_and_nowhere_else(ask: Any, capsys: Any) -> None:
    class Broken:
        def read_words(self, poll: Any) -> None:
            raise ZeroDivisionError

    class Gone:
        def read_words(self, poll: Any) -> None:
            poll()

    ask.room._read_words("nobody", Gone())
    assert capsys.readouterr().err == ""
    ask.room._read_words("nobody", Broken())
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_large_picture_is_refused() -> None:
    for image in (np.zeros((700, 20, 3), np.uint8), np.zeros((20, 700, 3), np.uint8)):
        with pytest.raises(MsaError, match="at most 640 pixels a side"):
            media.jpeg(jpeg(image))
    assert media.jpeg(jpeg(np.zeros((640, 640, 3), np.uint8))).shape == (640, 640, 3)
