"""Windows around every second of a clip, and the share of it that is seen."""

from dataclasses import replace

import numpy as np
import pytest
from paths import EXAMPLES

from msa_core.batch import collate
from msa_core.explain import timeline
from msa_core.schema import Stream


@pytest.fixture(scope="module")
def happy(analyser):
    return analyser.extract(EXAMPLES / "crema_happy.mp4")


def scores(prediction):
    return [second["score"] for second in prediction.timeline]


def test_presence_of_every_second_by_hand(happy):
    times = np.array([0.1, 0.6, 1.2, 1.4, 1.6, 2.9, 3.5], np.float32)  # 3.5 s lies behind the end: in the last second
    width = happy.audio.values.shape[1]
    u = replace(
        happy.without("vision", "off").without("simulated", "off"),
        duration_s=3.0,
        audio=Stream(np.ones((7, width), np.float32), times),
        text=Stream(happy.text.values[:2], np.array([0.2, 2.2], np.float32)),
    )
    batch = collate([u])
    batch.observed["audio"][0, [1, 2, 3]] = False
    assert timeline.observed(u, batch) == [
        {"text": 1.0, "audio": 0.5, "vision": 0.0},
        {"text": None, "audio": pytest.approx(1 / 3), "vision": 0.0},
        {"text": 1.0, "audio": 1.0, "vision": 0.0},
    ]
    whole, rows, windows = timeline.windows(u, batch)
    assert whole == [] and rows == [0, 1, 2]
    assert windows.valid["audio"].sum(1).tolist() == [5, 6, 5]  # within 1.5 s of 0.5, 1.5 and 2.5 s
    assert windows.observed["audio"].sum(1).tolist() == [2, 3, 3] and windows.valid["text"].sum(1).tolist() == [1, 2, 1]
    # Without the last frame the window of 0 to 3 s around the middle second holds the whole clip.
    shorter = replace(u, audio=Stream(u.audio.values[:6], times[:6]))
    assert timeline.windows(shorter, collate([shorter]))[:2] == ([1], [0, 2])
    batch.observed["audio"][:], batch.observed["text"][:] = False, False
    assert timeline.windows(u, batch)[:2] == ([], [])


@pytest.mark.parametrize(
    ("dropped", "rates", "any_whole"),
    [
        ((), {}, True),
        (("text",), {}, True),
        (("vision",), {"audio": 0.5}, True),
        (("audio", "text"), {}, True),
        ((), {"text": 0.9, "audio": 0.9, "vision": 0.9}, True),
        ((), {"text": 0.9}, False),  # the only token is dropped below: the clip is read with simulated text then
    ],
)
def test_a_window_that_holds_the_whole_clip_has_its_score(analyser, happy, monkeypatch, dropped, rates, any_whole):
    one_token = replace(happy, text=Stream(happy.text.values[:1], happy.text.times_s[:1]))
    utterance, holding_all, marked = happy if any_whole else one_token, timeline._holding_all, []

    def remembered(near, *rest):
        marked.append(holding_all(near, *rest).any())
        return holding_all(near, *rest)

    for method in analyser.methods:
        with monkeypatch.context() as patch:
            patch.setattr(timeline, "_holding_all", lambda near, *_: np.zeros(len(near["text"]), bool))
            every_window_cut = scores(analyser.predict(utterance, method, dropped, frame_missing_rate=rates))
        with monkeypatch.context() as patch:
            patch.setattr(timeline, "_holding_all", remembered)
            found = scores(analyser.predict(utterance, method, dropped, frame_missing_rate=rates))
        assert found == pytest.approx(every_window_cut, abs=1e-5)
    assert marked == [any_whole] * len(analyser.methods)


def test_the_windows_of_a_long_clip_are_cut(analyser):
    clip = analyser.extract(EXAMPLES / "jfk.flac")
    whole, rows, _ = timeline.windows(clip, collate([clip]))
    assert whole == [] and len(rows) == len(timeline.bounds(clip.duration_s))


def test_the_timeline_of_a_transcript_uses_no_simulated_text(analyser, happy):
    bare = happy.without("simulated", "")
    assert scores(analyser.predict(happy)) == pytest.approx(scores(analyser.predict(bare)), abs=1e-6)
