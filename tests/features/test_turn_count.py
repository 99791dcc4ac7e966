"""Turns of a phrase, counted by the sound: what a decoder lost or invented, and what it says for ever."""

from __future__ import annotations

import numpy as np
import pytest
from syllables import repeated, spoken

from msa_core.features.loudness import SAMPLE_RATE_HZ as RATE
from msa_core.features.openai_whisper import get_tokenizer
from msa_core.features.turn_count import Run, counted, runs_of, timed, turns_said, unrolled, with_turns
from msa_core.features.whisper_decoding import Aligned, Decoded

PHRASE = [" Look", " at", " this,"]
ALONE = Run(0, 3, 2)


def count(sound: np.ndarray, texts: list[str], run: Run, spans: list[tuple[float, float]] | None = None) -> int | None:
    turns = turns_said(sound, texts, run, spans)
    return None if turns is None else len(turns)


@pytest.mark.parametrize("n", [2, 3, 5, 9, 14])
@pytest.mark.parametrize("pause_s", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("tempo", ["even", "uneven"])
def test_turns_of_any_tempo_are_counted(n: int, pause_s: float, tempo: str) -> None:
    lengths = np.random.default_rng(n).uniform(0.5, 0.9, n) if tempo == "uneven" else np.full(n, 0.7)
    assert count(repeated("aie", lengths, pause_s), PHRASE * 2, ALONE) == n


@pytest.mark.parametrize("noise", [0.001, 0.01])
def test_soft_noise_changes_no_count(noise: float) -> None:
    sound = repeated("aie", [0.6, 0.8, 0.7, 0.6], 0.2)
    noisy = sound + np.random.default_rng(0).normal(0, noise, len(sound)).astype(np.float32)
    assert count(noisy, PHRASE * 2, ALONE) == 4


def test_what_is_not_alike_or_drowned_is_not_counted() -> None:
    rng = np.random.default_rng(0)
    other = np.concatenate([repeated("aie", [0.7]), repeated("uoa", [0.7]), repeated("oiu", [0.7])])
    assert count(other, PHRASE * 2, ALONE) is None, "three phrases"
    assert count(repeated("aie", [0.7]), PHRASE * 2, ALONE) is None, "once"
    sound = repeated("aie", [0.7] * 4)
    loud = sound + rng.normal(0, 0.1, len(sound)).astype(np.float32)
    assert count(loud, PHRASE * 2, ALONE) is None, "noise as loud as speech is alike everywhere"
    assert count(np.zeros(RATE, np.float32), PHRASE * 2, ALONE) is None


def test_halves_that_nobody_can_say_so_fast_are_no_turns() -> None:
    """Each turn has two equal halves: "again and again" of 16 letters in 0.8 s is no two turns of it."""
    sound, texts = repeated("aiai", [0.9] * 4, 0.05), [" Tutulamatutu,"] * 2
    assert count(sound, texts, Run(0, 1, 2)) is None
    assert count(sound, [" Tutu,"] * 2, Run(0, 1, 2)) == 8


def test_long_phrases_and_the_shortest_sounds_are_not_counted() -> None:
    long = [f" {chr(97 + k)}llelujah" for k in range(8)]
    assert turns_said(repeated("aieuo", [4.0] * 3), long * 2, Run(0, 8, 2)) is None
    for n in (1, 100, 320, 700):
        assert turns_said(np.ones(n, np.float32), PHRASE * 2, ALONE) is None, n


def test_words_beside_the_turns_are_not_counted() -> None:
    before, after = spoken("oue", 0.8), spoken("uiaoe", 1.3)
    sound = np.concatenate([before, repeated("aie", [0.7] * 4, 0.1, 0.1), after, np.zeros(RATE // 2, np.float32)])
    texts = [" So", " then", *PHRASE * 3, " we", " left", " town."]
    turns = [(0.9 + 0.2 * k, 1.1 + 0.2 * k) for k in range(8)]
    spans = [(0.0, 0.4), (0.4, 0.8), *turns, (2.5, 4.1), (4.2, 4.6), (4.6, 5.0), (5.0, 5.5)]
    assert count(sound, texts, Run(2, 3, 3), spans) == 4


@pytest.mark.parametrize(
    "words, expected",
    [
        (" No, no. No!", [Run(0, 1, 3)]),
        (" She said go on, go on, then left", [Run(2, 2, 2)]),
        (" Again and again, again and again", []),
        (" very very good very very good", []),
        (" Look at this", []),
        (" \u8c22 \u8c22 \u5927 \u5bb6", []),
        (" \u597d \u7684 \u597d \u7684", [Run(0, 2, 2)]),
        (" - - well, well", [Run(2, 1, 2)]),
    ],
)
def test_repetitions_among_words(words: str, expected: list[Run]) -> None:
    assert runs_of([f" {w}" for w in words.split()]) == expected


@pytest.mark.parametrize("n, expected", [(2, [0, 1, 4, 5]), (3, [0, 1, 2, 3, 4, 5]), (4, [0, 1, 2, 3, 2, 3, 4, 5])])
def test_the_last_turn_stays_the_last(n: int, expected: list[int]) -> None:
    assert with_turns(Run(0, 2, 3), n) == expected
    assert with_turns(Run(3, 1, 2), n) == [*[3] * (n - 1), 4]


def test_a_loop_is_said_as_often_as_the_sound_has_turns() -> None:
    tokenizer = get_tokenizer(False)
    phrase = tokenizer.encode(" look at this,")
    loop = Decoded(tuple(phrase), -0.3, 0.1, True, True, turn=len(phrase))
    sound = repeated("aie", [0.6, 0.8, 0.7, 0.6, 0.7])
    found = unrolled(loop, tokenizer, sound)
    assert found is not None and tokenizer.decode(list(found.tokens)) == " look at this," * 5
    assert (found.runaway, found.loop, found.turn) == (False, False, 0)
    assert unrolled(loop, tokenizer, repeated("aie", [0.7])) is None
    assert unrolled(Decoded(tuple(phrase), -0.3, 0.1, True, True), tokenizer, sound) is None, "no turn is known"


def test_words_before_a_loop_stay_and_its_first_turn_may_be_a_sentence() -> None:
    tokenizer = get_tokenizer(False)
    first, turn = tokenizer.encode(" So then: Look"), tokenizer.encode(" at this, look")
    loop = Decoded((*first, *turn), -0.3, 0.1, True, True, turn=len(turn))
    sound = np.concatenate([spoken("oue", 0.6), repeated("aie", [0.7] * 4, 0.1, 0.1)])
    found = unrolled(loop, tokenizer, sound)
    assert found is not None and tokenizer.decode(list(found.tokens)) == (
        " So then: Look at this, look at this, look at this, look at this,"
    )


def test_words_are_said_as_often_as_the_sound_says_them() -> None:
    tokens, spans = list(range(20, 29)), [(0.3 + 0.25 * k, 0.55 + 0.25 * k) for k in range(9)]
    words = tuple((text, *span) for text, span in zip(PHRASE * 3, spans, strict=True))
    aligned = Aligned(words, np.zeros((9, 1)), np.array(spans), np.arange(9))
    for n, expected in ((2, [20, 21, 22, 26, 27, 28]), (3, tokens), (4, [*range(20, 26), *range(23, 29)])):
        assert counted(aligned, tokens, repeated("aie", [0.7] * n)) == (expected, frozenset(range(3 * n))), n
    assert counted(aligned, tokens, repeated("aie", [0.7])) == (tokens, frozenset())


def test_words_of_counted_turns_lie_in_their_turns() -> None:
    sound = repeated("aie", [0.6, 0.9, 0.6], 0.2)  # from 0.3, 1.1 and 2.2 s
    spans = [(0.3, 0.5), (0.5, 0.7), (0.7, 0.9), *[(2.2 + 0.06 * k, 2.26 + 0.06 * k) for k in range(6)]]
    words = tuple((text, *span) for text, span in zip(PHRASE * 3, spans, strict=True))
    found = timed(Aligned(words, np.zeros((9, 1)), np.array(spans), np.arange(9)), sound)
    assert [w[0] for w in found.words] == PHRASE * 3
    assert [w[1:] for w in found.words[:3]] == [pytest.approx(span) for span in spans[:3]], "those were right"
    assert [found.words[k][1:] for k in (3, 5, 6, 8)] == [
        (pytest.approx(a, abs=0.05), pytest.approx(b, abs=0.05))
        for a, b in ((1.1, 1.45), (1.65, 2.0), (2.2, 2.43), (2.57, 2.8))
    ]
    assert np.allclose(found.token_times_s, [w[1:] for w in found.words])
    once = Aligned(words[:3], np.zeros((3, 1)), np.array(spans[:3]), np.arange(3))
    assert timed(once, sound).words == words[:3]
