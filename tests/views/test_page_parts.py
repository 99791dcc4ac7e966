"""The fixed parts of the page: the steps of a reading, what a switch says about its modality."""

from __future__ import annotations

from dataclasses import replace

from predictions import utterance

from msa_core.schema import MODALITIES, Stream
from msa_core.views import page_parts


def test_steps_and_states() -> None:
    html = page_parts.working(["media", "speech"], 0.4)
    assert 'aria-valuenow="40"' in html and "Opening the clip" in html and 'mm-now">Listening' in html
    u = utterance(vision=Stream.absent("no face in 2.0 s of video"))
    assert [page_parts.state(u, m) for m in MODALITIES] == [
        "3 words heard",
        "2.0 s of sound",
        "Missing: no face in 2.0 s of video",
    ]


def test_edited_words_are_not_called_heard() -> None:
    heard = utterance()
    words = (*heard.words[:-1], replace(heard.words[-1], struck=True))
    assert page_parts.state(replace(heard, words=words, original=heard), "text") == "2 words, edited"
