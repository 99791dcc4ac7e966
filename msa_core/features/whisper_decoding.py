"""Whisper decoding on encoder outputs of any length: greedy words, their hidden states and their times.

The official `DecodingTask` insists on 30 s of encoder frames; here the prompt, the suppressed tokens and the
alignment (`whisper.timing.find_alignment`) are the same, batched, and one teacher-forced pass answers both the
hidden states and the cross-attention.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msa_core.features.loops import loop_length, repeats, said_twice, too_much, turn_length
from msa_core.features.loudness import FRAME_S
from msa_core.features.openai_whisper import Tokenizer, Whisper, disable_sdpa, get_tokenizer, median_filter

MEDIAN_WIDTH = 7  # frames, smooths the attention before alignment
MAX_TOKENS = 220  # of one window, below the decoder's context of 448
UNLIKELY = -1.0  # mean log-probability of a phrase that is not worth its repetitions
ENOUGH = 12  # tokens from which a text may be a loop without an exact period
UNSPACED = ("zh", "ja", "th", "lo", "my", "yue")  # languages written without spaces
NOT_SPEECH, NO_VOICE = 0.93, 0.8  # see `doubt`
NO_SPEECH, NOT_UNDERSTOOD = "no speech found", "speech not understood"
APPENDED = "\"'.。,，!！?？:：”)]}、…-"  # punctuation that belongs to the word before it


@dataclass(frozen=True)
class Decoded:
    """Result of greedy decoding of one window, before any judgement."""

    tokens: tuple[int, ...]
    log_probability: float  # mean over tokens and the end token; 0 = certain
    no_speech: float  # probability of <|nospeech|>
    runaway: bool  # decoding did not end by itself, or everything was said twice
    loop: bool = False  # a runaway that repeats a phrase; the tokens hold it once
    values: tuple[float, ...] = ()  # log-probability of each token, where it is known
    turn: int = 0  # tokens at the end that a loop repeats


@dataclass(frozen=True)
class Aligned:
    """Words of one window with the decoder state of every token; times in s from the window's start."""

    words: tuple[tuple[str, float, float], ...]  # with the space that was before it
    states: np.ndarray  # (K, D) float32, final layer norm at the step that says token k
    token_times_s: np.ndarray  # (K, 2) start, end
    token_words: np.ndarray  # (K,) index of the word that token k belongs to


def kept_words(aligned: Aligned, words: Collection[int]) -> Aligned:
    """Keep some of the words of a window, by number, with their tokens."""
    order = sorted(words)
    tokens = np.isin(aligned.token_words, order)
    return Aligned(
        tuple(aligned.words[k] for k in order),
        aligned.states[tokens],
        aligned.token_times_s[tokens],
        np.searchsorted(order, aligned.token_words[tokens]),
    )


def tokenizers(model: Whisper, encoded: Tensor, language: str | None, task: str = "transcribe") -> list[Tokenizer]:
    """Make one tokenizer, which holds prompt and language, for each of B windows.

    Args:
        model: its languages are detected when none is given.
        encoded: encoder output (B, T, D).
        language: code such as "zh", or None.
        task: "transcribe", or "translate" to English.
    """
    n = encoded.shape[0]
    if not model.is_multilingual:
        return [get_tokenizer(False)] * n
    if language is not None:
        codes = [language] * n
    else:
        codes = [max(found, key=found.__getitem__) for found in language_probabilities(model, encoded)]
    return [get_tokenizer(True, num_languages=model.num_languages, language=code, task=task) for code in codes]


@torch.inference_mode()
def language_probabilities(model: Whisper, encoded: Tensor) -> list[dict[str, float]]:
    """Compute the probability of every language code for each of B windows; encoded (B, T, D)."""
    tokenizer = get_tokenizer(True, num_languages=model.num_languages, language="en")
    start = torch.full((encoded.shape[0], 1), tokenizer.sot, device=encoded.device)
    logits = model.decoder(start, encoded)[:, 0, list(tokenizer.all_language_tokens)]
    return [dict(zip(tokenizer.all_language_codes, row, strict=True)) for row in logits.softmax(dim=-1).tolist()]


def outside_gb2312(tokenizer: Tokenizer) -> tuple[int, ...]:
    """List the text tokens with an East Asian character that GB 2312 lacks: traditional Chinese among them."""
    texts = ((token, tokenizer.decode([token])) for token in range(tokenizer.eot))
    return tuple(t for t, text in texts if any(_east_asian(c) and not c.encode("gb2312", "ignore") for c in text))


def _east_asian(character: str) -> bool:
    """Tell Hangul, kana and ideographs; the replacement character stands for part of one and is none."""
    return ord(character) > 0x2E80 and character != "\ufffd"


def _prompts(tokenizer: Sequence[Tokenizer]) -> list[list[int]]:
    return [[*t.sot_sequence, t.no_timestamps] for t in tokenizer]


def undisturbed() -> None:
    """Do nothing: the `poll` of work that nobody interrupts."""


@torch.inference_mode()
def greedy(
    model: Whisper,
    encoded: Tensor,
    tokenizer: Sequence[Tokenizer],
    limits: Sequence[int],
    poll: Callable[[], None] = undisturbed,
    never: Sequence[int] = (),
    loud_s: Sequence[float] | None = None,
    temperature: float = 0.0,
) -> list[Decoded]:
    """Decode the most likely token at every step, for B windows at once, with a key-value cache.

    A repetition is decoded on until it ends by itself, or until it is more than can be said in the time.

    Args:
        model: the Whisper model.
        encoded: encoder output (B, T, D).
        tokenizer: B of them.
        limits: tokens per window, at most.
        poll: called at every step; what it raises ends the work.
        never: tokens that are not said.
        loud_s: seconds of loud sound per window; None: as long as the limit allows.
        temperature: above 0 tokens are drawn, the same for the same window.
    """
    # 1. Suppress what is no word: prompts, languages, timestamps, sounds.
    first = tokenizer[0]
    suppressed = torch.zeros(model.dims.n_vocab, dtype=torch.bool, device=encoded.device)
    suppressed[first.eot + 1 :] = True
    suppressed[[*first.non_speech_tokens, *never]] = True
    tokens = torch.tensor(_prompts(tokenizer), device=encoded.device)
    said: list[list[int]] = [[] for _ in tokenizer]
    values: list[list[float]] = [[] for _ in tokenizer]
    done, endless = [False] * len(said), [False] * len(said)
    draws = [np.random.default_rng(0) for _ in tokenizer]
    cache, hooks = model.install_kv_cache_hooks()
    try:
        logits = model.decoder(tokens, encoded, kv_cache=cache)
        no_speech = logits[:, 0].softmax(dim=-1)[:, first.no_speech].tolist()
        # 2. One token a step for all windows; a window is done at its end token, its limit or an endless loop.
        for step in range(max(limits)):
            poll()
            scores = logits[:, -1].masked_fill(suppressed, -torch.inf)
            if step == 0:  # no empty answer
                scores[:, [*first.encode(" "), first.eot]] = -torch.inf
            log_p, best = _chosen(scores, temperature, draws)
            for i, (token, value) in enumerate(zip(best.tolist(), log_p.tolist(), strict=True)):
                if not done[i]:
                    values[i].append(value)
                    done[i] = token == first.eot
                    if not done[i]:
                        said[i].append(token)
                        endless[i] = len(said[i]) >= limits[i] or (
                            loud_s is not None and _endless(said[i], values[i], tokenizer[i], loud_s[i])
                        )
                        done[i] = endless[i]
            if all(done):
                break
            logits = model.decoder(best[:, None], encoded, kv_cache=cache)
    finally:
        for hook in hooks:
            hook.remove()
    return [_decoded(*window) for window in zip(said, values, no_speech, endless, strict=True)]


def _chosen(scores: Tensor, temperature: float, draws: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Choose the most likely token of each window, or draw one; log-probabilities (B,) and tokens (B,)."""
    log_p = scores.log_softmax(dim=-1)
    if temperature == 0:
        best = log_p.max(dim=-1)
        return best.values, best.indices
    noise = np.stack([rng.gumbel(size=scores.shape[1]) for rng in draws])
    drawn = (scores / temperature + torch.tensor(noise, dtype=scores.dtype, device=scores.device)).argmax(dim=-1)
    return log_p.gather(1, drawn[:, None])[:, 0], drawn


def _endless(tokens: Sequence[int], values: Sequence[float], tokenizer: Tokenizer, loud_s: float) -> bool:
    """Tell whether tokens only repeat an unlikely phrase, or one more often than can be said in the time."""
    if (loop := loop_length(tokens)) > 0:
        once = len(tokens) - loop
        return sum(values[:once]) < UNLIKELY * once or too_much(tokenizer.decode(list(tokens)), loud_s)
    if len(tokens) < ENOUGH or len(tokens) % 4:  # compression is asked now and then
        return False
    text = tokenizer.decode(list(tokens))
    return too_much(text, loud_s) and repeats(text)


def _decoded(tokens: Sequence[int], values: Sequence[float], no_speech: float, endless: bool) -> Decoded:
    """Cut an endless loop to one turn, of which alone the probability counts, and mark a runaway."""
    loop = loop_length(tokens) if endless else 0
    kept = tokens[: len(tokens) - loop]
    counted = values[: len(kept)] if loop else values
    mean = sum(counted) / max(len(counted), 1)
    turn, runaway = turn_length(tokens) if loop else 0, endless or said_twice(tokens)
    return Decoded(tuple(kept), mean, no_speech, runaway, loop > 0, tuple(values[: len(kept)]), turn)


@torch.inference_mode()
def likelihood(model: Whisper, encoded: Tensor, tokenizer: Tokenizer, said: Sequence[Sequence[int]]) -> list[float]:
    """Compute how likely each of B texts is in one window: mean log-probability over its tokens and the end token.

    Args:
        model: the Whisper model.
        encoded: encoder output (1, T, D).
        tokenizer: holds the prompt.
        said: text tokens.
    """
    prompt, width = _prompts([tokenizer])[0], max(len(s) for s in said) + 1
    rows = torch.tensor([[*prompt, *s, *[tokenizer.eot] * (width - len(s))] for s in said], device=encoded.device)
    log_p = model.decoder(rows, encoded.expand(len(said), -1, -1)).log_softmax(dim=-1)
    each = log_p[:, len(prompt) - 1 : -1].gather(2, rows[:, len(prompt) :, None])[:, :, 0]
    return [float(row[: len(s) + 1].mean()) for row, s in zip(each, said, strict=True)]


def log_probability(model: Whisper, encoded: Tensor, tokenizer: Tokenizer, said: Sequence[int]) -> float:
    """Compute the log-probability of a whole text with its end token in one window; see `likelihood`."""
    return likelihood(model, encoded, tokenizer, [said])[0] * (len(said) + 1)


def doubt(decoded: Decoded, text: str, loud_s: float) -> str | None:
    """Return the reason for not believing decoded words: made up over noise, or guessed from an unknown language.

    Neither number alone tells speech from sound. On 144 tones, chords, melodies, drums, sung vowels, hum, knocks,
    sirens, engines, clapping and coloured noise of 2-14 s tiny.en gave <|nospeech|> 0.68-0.98 with mean
    log-probability -1.2 to -3.8; on 200 English utterances, also single words, digits and noise at 0 dB, 0.02-0.71
    with -0.03 to -1.7 (the least likely ones have low <|nospeech|>); on 50 of other languages 0.10-0.71 with -0.6 to
    -2.4. <|nospeech|> minus a tenth of the log-probability was at least 0.95 for sounds with letters in their text,
    at most 0.91 for those utterances. Longer ones of other languages reached 0.69-0.80 with -2.8, but said more
    words than the few sounds below NO_VOICE, which said one.

    Args:
        decoded: of an endless loop, its first turn.
        text: what the tokens say.
        loud_s: seconds of loud sound in the window.
    """
    silent = decoded.no_speech - decoded.log_probability / 10 > NOT_SPEECH
    few = len(decoded.tokens) < max(2.0, loud_s / 4)
    if not any(c.isalnum() for c in text) or (silent and (few or decoded.no_speech > NO_VOICE)):
        return NO_SPEECH
    unsure, unlikely = decoded.no_speech > 0.3, decoded.log_probability < -1.0
    sparse = len(decoded.tokens) < loud_s
    if decoded.log_probability < -1.2 or (unsure and unlikely) or (sparse and decoded.log_probability < -0.9):
        return NOT_UNDERSTOOD
    return None


def doubt_multilingual(decoded: Decoded, text: str, loud_s: float) -> str | None:
    """Apply `doubt` to Whisper base on Chinese, whose <|nospeech|> alone does not tell speech from sound.

    On the sounds of `doubt` it gave <|nospeech|> 0.12-0.88 with log-probability -1.2 to -4.1 and at most one token
    in two seconds where <|nospeech|> was low; on 47 Chinese sentences 0.00-0.72 with -0.06 to -0.77.
    """
    unlikely, sparse = decoded.log_probability < -1.2, len(decoded.tokens) < loud_s / 2
    unsure = decoded.no_speech > 0.3 and decoded.log_probability < -1.0
    if not any(c.isalnum() for c in text) or unsure or (unlikely and sparse):
        return NO_SPEECH
    return NOT_UNDERSTOOD if unlikely else None


@torch.inference_mode()
def force(
    model: Whisper,
    encoded: Tensor,
    tokenizer: Sequence[Tokenizer],
    said: Sequence[Sequence[int]],
    n_frames: Sequence[int],
    heard: Sequence[np.ndarray] | None = None,
) -> list[Aligned]:
    """Align known tokens of B windows with the sound in one decoder pass: hidden states, and times by attention.

    Args:
        model: the Whisper model.
        encoded: encoder output (B, T, D).
        tokenizer: B of them.
        said: text tokens, at least one per window.
        n_frames: real encoder frames of each window.
        heard: frames (T,) bool of each window in which words may lie; None: all.
    """
    # 1. One teacher-forced pass over prompt and words, padded with end tokens.
    eot = tokenizer[0].eot
    prompts = _prompts(tokenizer)
    n_prompt, width = len(prompts[0]), max(len(s) for s in said) + 1
    rows = [[*p, *s, *[eot] * (width - len(s))] for p, s in zip(prompts, said, strict=True)]
    states, attention = _decoder_states(model, torch.tensor(rows, device=encoded.device), encoded)
    # 2. Each window: normalise the attention of the alignment heads and warp it to a monotonic path.
    answers = []
    for i, (spoken, frames) in enumerate(zip(said, n_frames, strict=True)):
        stop = n_prompt + len(spoken)
        weights = attention[i, :, : stop + 1, :frames].softmax(dim=-1)  # (heads, tokens, frames)
        std, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
        matrix = median_filter((weights - mean) / std.clamp(min=1e-8), MEDIAN_WIDTH).mean(dim=0)
        open_frames = np.flatnonzero(np.ones(frames, dtype=bool) if heard is None else heard[i][:frames])
        path = matrix[n_prompt - 1 : stop].cpu().numpy()[:, open_frames]
        starts = _starts(path, open_frames)  # (tokens + 1,): the last is the end
        hidden = states[i, n_prompt - 1 : stop - 1].float().cpu().numpy()
        answers.append(_words(tokenizer[i], spoken, hidden, np.stack([starts[:-1], starts[1:]], axis=1)))
    return answers


def _decoder_states(model: Whisper, tokens: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
    """Return states after the last norm (B, L, D) and attention logits of the alignment heads (B, heads, L, T)."""
    decoder = model.decoder
    caught: dict[int, Tensor] = {}
    hooks = [
        block.cross_attn.register_forward_hook(lambda _, __, out, index=i: caught.__setitem__(index, out[1]))
        for i, block in enumerate(decoder.blocks)
    ]
    try:
        with disable_sdpa():
            x = decoder.token_embedding(tokens) + decoder.positional_embedding[: tokens.shape[1]]
            for block in decoder.blocks:
                x = block(x, encoded, mask=decoder.mask)
    finally:
        for hook in hooks:
            hook.remove()
    heads = model.alignment_heads.to_dense().nonzero().tolist()
    return decoder.ln(x), torch.stack([caught[layer][:, head] for layer, head in heads], dim=1)


def _words(tokenizer: Tokenizer, tokens: Sequence[int], states: np.ndarray, times: np.ndarray) -> Aligned:
    """Group tokens to words; punctuation joins the word before it and does not stretch its time."""
    spaced = tokenizer.task == "translate" or tokenizer.language not in UNSPACED  # a translation is in English
    split = tokenizer.split_tokens_on_spaces if spaced else tokenizer.split_tokens_on_unicode
    texts, groups = split(list(tokens))
    words: list[tuple[str, float, float]] = []
    owner: list[int] = []
    at = 0
    for text, group in zip(texts, groups, strict=True):
        start, end = float(times[at, 0]), float(times[at + len(group) - 1, 1])
        if words and all(c in APPENDED for c in text.strip()):
            words[-1] = (words[-1][0] + text.strip(), *words[-1][1:])
        elif words and spaced and not text.startswith(" "):  # the rest of "well-known"
            words[-1] = (words[-1][0] + text, words[-1][1], end)
        else:
            words.append((text, start, end))
        owner += [len(words) - 1] * len(group)
        at += len(group)
    return Aligned(tuple(words), states, times, np.array(owner, dtype=np.int64))


def _starts(matrix: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Find the start of each row of an attention matrix (rows, frames) in s, along the best monotonic path."""
    rows, columns = warp(-matrix)
    jumps = np.diff(rows, prepend=-1) > 0
    return frames[columns[jumps]] * FRAME_S


def warp(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Warp time: the cheapest monotonic path through cost (N, M), as row and column indices.

    Same path as `whisper.timing.dtw_cpu`, one antidiagonal at a time in numpy instead of a compiled loop.
    """
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    step = np.zeros((n + 1, m + 1), dtype=np.int8)
    for d in range(2, n + m + 1):  # antidiagonals: 0 came from both, 1 from above, 2 from the left
        i = np.arange(max(1, d - m), min(n, d - 1) + 1)
        j = d - i
        both, down, right = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        diagonal = (both < down) & (both < right)
        vertical = ~diagonal & (down < both) & (down < right)
        step[i, j] = np.where(diagonal, 0, np.where(vertical, 1, 2))
        total[i, j] = cost[i - 1, j - 1] + np.where(diagonal, both, np.where(vertical, down, right))
    # Back along the steps, from the end to the start.
    step[0, :], step[:, 0] = 2, 1
    i, j, path = n, m, []
    while i > 0 or j > 0:
        path.append((i - 1, j - 1))
        i, j = i - (step[i, j] != 2), j - (step[i, j] != 1)
    rows, columns = np.array(path[::-1]).T
    return rows, columns
