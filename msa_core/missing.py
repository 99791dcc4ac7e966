"""Missingness: the only place that removes streams and frames, from an utterance or from a batch.

Two rates, never one name: `missing_rate` is the share of (utterance, modality) cells that are absent,
`frame_missing_rate` the share of frames dropped inside the modalities that are present. Every draw is a hash of
(seed, epoch, utterance id, modality, frame number): the same for every method, whatever the order of the batch,
the padding or the worker. Simulated text and prosody come from the voice, so they go with the audio: that rule stands
only here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from msa_core.errors import Message, MsaError, message
from msa_core.schema import MODALITIES, STREAMS, TEXT_SOURCES, Batch, Utterance

# The seven non-empty subsets of the modalities, in the order of every table: singles, pairs, all.
PATTERNS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "audio": ("audio",),
    "vision": ("vision",),
    "text+audio": ("text", "audio"),
    "text+vision": ("text", "vision"),
    "audio+vision": ("audio", "vision"),
    "text+audio+vision": ("text", "audio", "vision"),
}
COMPLETE = "text+audio+vision"
INCOMPLETE = tuple(name for name in PATTERNS if name != COMPLETE)
Regime = Callable[[Batch, int, int], Batch]  # (batch, seed, epoch) -> batch
REGIMES = ("complete", *PATTERNS, "subset", "mrm", "frame:RATE", "block:RATE", "modality:RATE")

MAX_MISSING_RATE = 2 / 3 + 1e-9  # one modality of three is always kept
MAX_FRAME_RATE = 0.9  # of the frames of a modality, the largest share that a slider drops
FRAME_SEED = 0  # the same slider drops the same frames of a clip, whatever the method and the other switches
FRAME_ID = "clip"  # in place of the name of the clip

SWITCHED_OFF = "switched off by the user"
HEARD = "the transcript is there"  # why a clip with words has no simulated text
NO_VOICE = "it is simulated from the voice, and there is no voice"

_OF_STREAM = {"text": 0, "audio": 1, "vision": 2, "simulated": 1}  # simulated text goes with the audio
_SUBSET, _RATE, _FRAME, _START, _CELL, _RESTORE = range(6)  # what a draw is for: streams of numbers that never mix
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def after_switches(utterance: Utterance, dropped: Collection[str], text_source: str = "transcript") -> Utterance:
    """Remove from an utterance what is switched off; simulated text and prosody go with the audio.

    Args:
        utterance: the extracted clip.
        dropped: modalities that are switched off.
        text_source: one of TEXT_SOURCES; all but "transcript" switch the transcript off, "none" the simulated text
            too.

    Raises:
        MsaError: a name is unknown.
    """
    for name in switches(dropped, text_source):
        if utterance.stream(name).present:
            utterance = utterance.without(name, SWITCHED_OFF)
    if text_source == "none":
        utterance = utterance.without("simulated", SWITCHED_OFF)
    if not utterance.audio.present:
        utterance = replace(utterance.without("simulated", NO_VOICE), prosody=None)
    return utterance


def keep_only(utterance: Utterance, kept: Collection[str]) -> Utterance:
    """Remove every modality of an utterance but those that are `kept`."""
    return after_switches(utterance, [m for m in MODALITIES if m not in kept])


def one_text(utterance: Utterance) -> Utterance:
    """Remove the simulated text of an utterance that has a transcript."""
    return utterance.without("simulated", HEARD) if utterance.text.present else utterance


def nothing_left(utterance: Utterance) -> Message:
    """Word what is missing for which reason, and the way out."""
    could = [m for m in MODALITIES if utterance.stream(m).present]
    if could:
        return message("Nothing is left to analyse: switch on at least one of {names}.", names=", ".join(could))
    return message(
        "Nothing to analyse in {clip} ({reasons}). Choose a clip with a face or a voice.",
        clip=repr(utterance.id),
        reasons=message(
            "text: {text}; audio: {audio}; vision: {vision}", **{m: utterance.stream(m).reason for m in MODALITIES}
        ),
    )


def switches(dropped: Iterable[str], text_source: str) -> set[str]:
    """Return the modalities that are switched off. Raises: MsaError for unknown names.

    >>> sorted(switches(["audio"], "simulated"))
    ['audio', 'text']
    """
    off = tuple(dropped)
    for name in off:
        _check_modality(name)
    if text_source not in TEXT_SOURCES:
        raise MsaError(
            "Unknown text source {name}. Choose from: {names}.",
            name=repr(text_source),
            names=", ".join(TEXT_SOURCES),
        )
    return set(off) | (set() if text_source == "transcript" else {"text"})


def frame_rates(frame_missing_rate: Mapping[str, float] | None) -> dict[str, float]:
    """Return the frame missing rates above 0, in the order of MODALITIES.

    Raises:
        MsaError: a name is unknown or a value out of range.

    >>> frame_rates({"vision": 0.5, "text": 0.0, "audio": 0.25})
    {'audio': 0.25, 'vision': 0.5}
    """
    given = {} if frame_missing_rate is None else frame_missing_rate
    if not isinstance(given, Mapping):
        raise MsaError(f"frame_missing_rate is {given!r}; give a rate for each modality, such as {{'text': 0.5}}.")
    for name, rate in given.items():
        _check_modality(name)
        if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= rate <= MAX_FRAME_RATE:
            raise MsaError(
                "The frame rate of {name} is {rate}; give a share from 0 to {limit}.",
                name=name,
                rate=repr(rate),
                limit=MAX_FRAME_RATE,
            )
    return {m: float(given[m]) for m in MODALITIES if given.get(m)}


def pattern(batch: Batch, keep: str | Iterable[str]) -> Batch:
    """Keep only some modalities; a row that has none of them is left with nothing.

    Args:
        batch: the rows.
        keep: a name of PATTERNS, or modality names.

    Raises:
        MsaError: a name is unknown.

    >>> from msa_core.batch import collate
    >>> from msa_core.config import shipped
    >>> from msa_core.features import store
    >>> batch = collate([store.load(shipped("examples") / "features" / "crema_happy.mp4.npz")])
    >>> pattern(batch, "text+audio").present.tolist()
    [[True, True, False]]
    """
    names = PATTERNS.get(keep, (keep,)) if isinstance(keep, str) else tuple(keep)
    unknown = [n for n in names if n not in MODALITIES]
    if unknown or not names:
        raise MsaError(f"Unknown pattern {keep!r}. Valid patterns: {', '.join(PATTERNS)}.")
    kept = torch.tensor([m in names for m in MODALITIES], device=batch.present.device)
    return _remove(batch, ~kept.expand_as(batch.present))


def subset(batch: Batch, seed: int, epoch: int = 0) -> Batch:
    """Keep a subset drawn uniformly from the non-empty subsets of the modalities that each row has."""
    present = batch.present.cpu().numpy()
    choices = np.array([[m in p for m in MODALITIES] for p in PATTERNS.values()])
    possible = ~(choices[None] & ~present[:, None]).any(2)  # (B, 7)
    n = possible.sum(1)
    u = _uniform(_keys(batch, seed, epoch, _SUBSET, "text"), 1)[:, 0]
    chosen = np.floor(u * np.maximum(n, 1)).astype(np.int64)
    number = (possible & (np.cumsum(possible, 1) - 1 == chosen[:, None])).argmax(1)
    gone = ~choices[number] & (n > 0)[:, None]
    return _remove(batch, torch.from_numpy(gone).to(batch.present.device))


def modality_rate(batch: Batch, missing_rate: float, seed: int, epoch: int = 0) -> Batch:
    """Remove present modalities so that the expected share of removed cells is `missing_rate`, keeping at least one.

    Cells go independently with probability p, and one drawn at random returns when all went; p solves
    p - p**n / n = missing_rate for a row with n modalities, so the rate can reach (n - 1) / n at most (2/3 of three).
    `realised_rate` tells what a draw removed.

    Raises:
        MsaError: the rate is outside [0, 2/3].
    """
    if not 0.0 <= missing_rate <= MAX_MISSING_RATE:
        raise MsaError(f"missing_rate is {missing_rate}; one modality is always kept, so give a value in [0, 2/3].")
    present = batch.present.cpu().numpy()
    chance = np.array([0.0] + [_chance(missing_rate, n) for n in range(1, len(MODALITIES) + 1)])
    gone = _cell_draws(batch, seed, epoch, _CELL) < chance[present.sum(1)][:, None]
    restore = np.where(present, _cell_draws(batch, seed, epoch, _RESTORE), 2.0).argmin(1)
    nothing = ~(present & ~gone).any(1)
    gone[nothing, restore[nothing]] = False
    return _remove(batch, torch.from_numpy(gone).to(batch.present.device))


def frame(batch: Batch, frame_missing_rate: float | Tensor, seed: int, epoch: int = 0) -> Batch:
    """Drop each valid frame or token independently; dropped frames are zero, valid and not observed.

    Args:
        batch: the rows.
        frame_missing_rate: in [0, 1], or a tensor (B, 3) of rates by row and modality; simulated text shares the
            audio's rate.
        seed: of the draw.
        epoch: of the training, another draw in each.
    """
    rates = _rates(batch, frame_missing_rate)
    dropped = {}
    for stream in STREAMS:
        u = _uniform(_keys(batch, seed, epoch, _FRAME, stream), batch.valid[stream].shape[1])
        dropped[stream] = torch.from_numpy(u < rates[:, _OF_STREAM[stream], None])
    return _drop_frames(batch, dropped)


def block(batch: Batch, frame_missing_rate: float, seed: int, epoch: int = 0) -> Batch:
    """Drop one contiguous stretch of round(rate * length) frames from every present modality."""
    rates = _rates(batch, frame_missing_rate)
    dropped = {}
    for stream in STREAMS:
        length = batch.valid[stream].sum(1).cpu().numpy()
        size = np.round(rates[:, _OF_STREAM[stream]] * length).astype(np.int64)
        u = _uniform(_keys(batch, seed, epoch, _START, stream), 1)[:, 0]
        first = np.floor(u * (length - size + 1)).astype(np.int64)[:, None]
        place = np.arange(batch.valid[stream].shape[1])
        dropped[stream] = torch.from_numpy((place >= first) & (place < first + size[:, None]))
    return _drop_frames(batch, dropped)


def same_frames(batch: Batch, frame_missing_rate: Tensor) -> Batch:
    """Drop frames by a draw that does not depend on the name of a clip.

    Args:
        batch: the rows.
        frame_missing_rate: (B, 3) in [0, 1].
    """
    if not frame_missing_rate.any():
        return batch
    return frame(replace(batch, ids=(FRAME_ID,) * len(batch)), frame_missing_rate, FRAME_SEED)


def mrm(batch: Batch, seed: int, epoch: int = 0, max_frame_missing_rate: float = 1.0) -> Batch:
    """Apply Modality Random Missing, the training mix of CorrKD (arXiv 2404.16456): a random subset, dropped frames.

    The paper leaves the laws open; here the subset is uniform and the frame rate of each (row, modality) is uniform
    in [0, max_frame_missing_rate].
    """
    batch = subset(batch, seed, epoch)
    rates = _cell_draws(batch, seed, epoch, _RATE) * max_frame_missing_rate
    return frame(batch, torch.from_numpy(rates), seed, epoch)


def without_simulated_text(batch: Batch) -> Batch:
    """Remove the simulated text of every row: the text source "none"."""
    return _replace_streams(batch, {"simulated": torch.zeros_like(batch.valid["simulated"])})


def simulated_needs_audio(batch: Batch) -> Batch:
    """Remove the simulated text of the rows that have no audio."""
    heard = batch.valid["audio"].any(1, keepdim=True)
    return _replace_streams(batch, {"simulated": batch.valid["simulated"] & heard})


def realised_rate(before: Batch, after: Batch) -> float:
    """Compute the share of the present (utterance, modality) cells that were removed."""
    return 1.0 - int(after.present.sum()) / max(1, int(before.present.sum()))


def regime(name: str) -> Regime:
    """Look up a training regime by name.

    Args:
        name: see REGIMES; "mrm:0.5" limits the frame rate.

    Raises:
        MsaError: the name is unknown; the message lists the names.

    >>> from msa_core.batch import collate
    >>> from msa_core.config import shipped
    >>> from msa_core.features import store
    >>> batch = collate([store.load(shipped("examples") / "features" / "crema_happy.mp4.npz")])
    >>> half = regime("frame:0.5")(batch, 0, 0)  # seed 0, epoch 0
    >>> half.present.all().item(), bool(half.observed["audio"].sum() < half.valid["audio"].sum())
    (True, True)
    """
    kind, _, value = name.partition(":")
    try:
        rate = float(value) if value else None
    except ValueError:
        rate = -1.0
    if rate is None:
        simple: dict[str, Regime] = {"complete": lambda b, s, e: b, "subset": subset, "mrm": mrm}
        if kind in PATTERNS:
            return lambda b, s, e: pattern(b, kind)
        if kind in simple:
            return simple[kind]
    elif 0.0 <= rate <= (MAX_MISSING_RATE if kind == "modality" else 1.0):
        rated: dict[str, Regime] = {
            "mrm": lambda b, s, e: mrm(b, s, e, rate),
            "frame": lambda b, s, e: frame(b, rate, s, e),
            "block": lambda b, s, e: block(b, rate, s, e),
            "modality": lambda b, s, e: modality_rate(b, rate, s, e),
        }
        if kind in rated:
            return rated[kind]
    raise MsaError(
        f"Unknown regime {name!r}. Valid regimes: {', '.join(REGIMES)}; a RATE is a number in [0, 1], "
        "of modalities in [0, 2/3]."
    )


def _check_modality(name: str) -> None:
    if name not in MODALITIES:
        raise MsaError("Unknown modality {name}. Choose from: {names}.", name=repr(name), names=", ".join(MODALITIES))


def _remove(batch: Batch, gone: Tensor) -> Batch:
    """Remove whole modalities. gone (B, 3): True = remove."""
    if not (gone & batch.present).any():
        return batch
    left = {s: batch.valid[s] & ~gone[:, _OF_STREAM[s], None] for s in STREAMS}
    return _replace_streams(replace(batch, present=batch.present & ~gone), left)


def _replace_streams(batch: Batch, valid: dict[str, Tensor]) -> Batch:
    """Set the validity of some streams; frames that are no longer valid become zero and unobserved."""
    features, observed = dict(batch.features), dict(batch.observed)
    for stream, left in valid.items():
        if not torch.equal(left, batch.valid[stream]):
            features[stream] = torch.where(left[..., None], features[stream], 0.0)
            observed[stream] = observed[stream] & left
    return replace(batch, features=features, valid={**batch.valid, **valid}, observed=observed)


def _drop_frames(batch: Batch, dropped: dict[str, Tensor]) -> Batch:
    """Zero frames and mark them as unobserved; validity and presence stay. dropped[s] (B, T_s)."""
    observed = {s: batch.observed[s] & ~dropped[s].to(batch.present.device) for s in STREAMS}
    features = {s: torch.where(observed[s][..., None], batch.features[s], 0.0) for s in STREAMS}
    return replace(batch, features=features, observed=observed)


def _rates(batch: Batch, rate: float | Tensor) -> np.ndarray:
    """Broadcast frame rates to (B, 3). Raises: MsaError outside [0, 1]."""
    rates = np.broadcast_to(np.asarray(rate.cpu() if isinstance(rate, Tensor) else rate, np.float64), (len(batch), 3))
    if not ((rates >= 0) & (rates <= 1)).all():
        raise MsaError(f"frame_missing_rate is {rate}; give a value in [0, 1].")
    return rates


def _chance(missing_rate: float, n: int) -> float:
    """Solve p - p**n / n = missing_rate by bisection; 1 when the rate cannot be reached."""
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        low, high = (p, high) if p - p**n / n < missing_rate else (low, p)
    return high


def _cell_draws(batch: Batch, seed: int, epoch: int, purpose: int) -> np.ndarray:
    """Draw one uniform number for each (row, modality), (B, 3)."""
    return np.concatenate([_uniform(_keys(batch, seed, epoch, purpose, m), 1) for m in MODALITIES], 1)


def _keys(batch: Batch, seed: int, epoch: int, purpose: int, stream: str) -> np.ndarray:
    """Derive one 64-bit key for each row (B,) from everything that a draw may depend on."""
    if len(batch.ids) != len(batch):
        raise MsaError(f"The batch has {len(batch.ids)} ids for {len(batch)} rows; random missingness needs every id.")
    keys = np.array([_id_key(i) for i in batch.ids], np.uint64)
    for part in (seed, epoch, purpose, STREAMS.index(stream)):
        keys = _mix(keys ^ _mix(np.array([part & (2**63 - 1)], np.uint64) + _GOLDEN))
    return keys


def _id_key(utterance_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(utterance_id.encode(), digest_size=8).digest(), "little")


def _uniform(keys: np.ndarray, n: int) -> np.ndarray:
    """Draw n numbers in [0, 1) per key (B, n): splitmix64 (Steele et al., OOPSLA 2014), one counter per frame."""
    bits = _mix(keys[:, None] + np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    """Apply the output function of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
