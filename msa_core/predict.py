"""Clip -> `Utterance` -> `Prediction`: the three side-by-side scores, contributions, interval and timeline.

`Analyser` holds the loaded models and nothing of any visitor. `extract` runs once per clip; `predict`
answers every switch from the extracted utterance in one batched pass per model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from msa_core import batch as data
from msa_core import edit as edits
from msa_core import methods, missing
from msa_core.checkpoint import REPAIR, available, read_manifest
from msa_core.config import MediaLimits
from msa_core.degrade import Damage
from msa_core.errors import CheckpointError, MsaError
from msa_core.explain import timeline
from msa_core.explain.shapley import shapley
from msa_core.extract import Extractor
from msa_core.features import COMPACT
from msa_core.methods import Method
from msa_core.schema import MODALITIES, SCORE_LIMIT, TEXT_SOURCES, Batch, Output, Prediction, Utterance, Word
from msa_core.training.loop import NOTHING_IMAGINED

SWITCHED_OFF = "switched off by the user"
HEARD = "the transcript is there"  # why a clip with words has no text imagined from the voice
MAX_FRAME_RATE = 0.9  # of the frames of a modality, the largest share that a slider drops
FRAME_SEED = 0  # the same slider drops the same frames of a clip, whatever the method and the other switches
FRAME_ID = "clip"  # in place of the clip's name: what a file is called changes no answer
NOT_CALIBRATED = "The interval is calibrated without dropped frames; with them it may be too narrow."
CORPUS = "composite"  # the corpus of the shipped checkpoints
VERSION = "v1"
COMPLETE = f"baseline-{CORPUS}-{VERSION}"  # the complete-modality model of methods that have none of their own


@dataclass(frozen=True)
class Loaded:
    """A model, the manifest it was rebuilt from, and its own complete-modality model (its teacher) if it has one."""

    model: Method
    manifest: dict[str, Any]
    teacher: Method | None = None


class Analyser:
    """The extractor, the missing-modality methods and their complete-modality models, loaded and verified.

    The complete-modality model of a method with a teacher is its teacher; of the others it is late fusion.
    """

    def __init__(self, extractor: Extractor, complete: Loaded, by_method: dict[str, Loaded], device: str = "cpu"):
        self.extractor, self.complete, self.device = extractor, complete, device
        self._by_method = by_method

    @staticmethod
    def load(device: str | None = None, method: str | None = None) -> Analyser:
        """Load the shipped models, or only `method` (a method name, checkpoint name or checkpoint folder).

        Raises: CheckpointError, FeatureError when weights are missing, altered or of another feature set.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        wanted = shipped_methods() if method is None else [checkpoint_of(method)]
        complete = _load(COMPLETE, device)
        by_method = {}
        for name in wanted:
            loaded = _load(name, device)
            by_method[loaded.manifest["method"] if method is None else method] = loaded
        return Analyser(Extractor.load(device), complete, by_method, device)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names accepted by `predict`."""
        return tuple(self._by_method)

    def reads_simulated(self, method: str) -> bool:
        """True when text imagined from the voice can change the answer of a loaded method."""
        return self._method(method).model.reads_simulated

    def manifest(self, method: str) -> dict[str, Any]:
        """The manifest of a loaded method."""
        return self._method(method).manifest

    def models(self, method: str) -> tuple[Method, Method]:
        """The missing-modality model of a loaded method and the complete-modality model that stands beside it."""
        loaded = self._method(method)
        return loaded.model, loaded.teacher or self.complete.model

    def left(self, utterance: Utterance, dropped: Collection[str] = (), text_source: str = "transcript") -> Utterance:
        """What the models may see after the switches (see `predict`). Raises: MsaError when nothing is left."""
        left = _leave(utterance, gone := switches(dropped, text_source), text_source)
        if not any(left.stream(m).present for m in MODALITIES):
            raise MsaError(_nothing_left(utterance, gone))
        return left

    def interval(self, method: str, left: Utterance, score: float) -> dict[str, float] | None:
        """Level, low and high of the conformal interval around a score for what is `left`; None: not calibrated."""
        return _interval(self.manifest(method), left, score)

    def extract(
        self,
        path: str | Path,
        limits: MediaLimits | None = None,
        progress: Callable[[str, float], None] | None = None,
        damage: Damage | None = None,
        spoken: str = "en",
    ) -> Utterance:
        """Features of one clip. Raises: MediaError, FeatureError, MsaError. See `Extractor.utterance`."""
        return self.extractor.utterance(path, limits or MediaLimits(), progress, damage, spoken)

    def edit(self, utterance: Utterance, transcript: str | None = None, struck: Collection[int] = ()) -> Utterance:
        """The clip with an edited transcript and without the words number `struck`. Raises: MsaError. See `edits`."""
        return edits.edit(utterance, self.extractor.text, transcript, struck)

    def predict(
        self,
        utterance: Utterance,
        method: str = "sdumc",
        dropped: Collection[str] = (),
        text_source: str = "transcript",
        frame_missing_rate: Mapping[str, float] | None = None,
    ) -> Prediction:
        """Answer for one set of switches; nothing is extracted again.

        Args: dropped: modalities switched off. text_source: "transcript"; "simulated" switches the
            transcript off and lets methods that can imagine text from the voice; "none" gives no text at all.
            A dropped text is simulated unless the source is "none". frame_missing_rate: share of frames dropped
            inside a modality, 0 to 0.9; a rate always drops the same ones. The two full answers see every
            frame, and the words as they were heard even when the utterance is edited.
        Raises: MsaError for unknown names, a rate out of range, or when nothing is left to analyse.
        """
        start = time.perf_counter()
        loaded, gone, rates = self._method(method), switches(dropped, text_source), frame_rates(frame_missing_rate)
        whole = utterance.original or utterance
        everything = _one_text(whole)
        left = self.left(utterance, dropped, text_source)
        players = [m for m in MODALITIES if left.stream(m).present]
        rate = torch.tensor([rates.get(m, 0.0) for m in MODALITIES], dtype=torch.float64)
        with torch.inference_mode():
            variants = [left, *(_keep_only(left, s) for s in _coalitions(players))]
            answers = self._forward(loaded.model, [*variants, everything], [*[rate] * len(variants), 0 * rate])
            complete = self._forward(loaded.teacher or self.complete.model, [everything, left], [0 * rate, rate])
            seconds = self._timeline(loaded.model, _one_text(left), rate)
        values = dict(zip(_coalitions(players), answers.score.tolist()[1:-1], strict=True))
        base = float(loaded.manifest["mean_score"])
        score = answers.score[0].item()
        mechanism = _mechanism(loaded.model, answers, left, complete if loaded.teacher else None)
        reads = loaded.model.reads_simulated and bool(mechanism.get("text_simulated", True))  # it may decide against
        interval = self.interval(method, left, score)
        uncalibrated = (NOT_CALIBRATED,) if interval and any(m in players for m in rates) else ()
        return Prediction(
            clip=utterance.id,
            duration_s=utterance.duration_s,
            feature_set=utterance.feature_set,
            method=method,
            dropped=tuple(m for m in MODALITIES if m in gone),
            text_source=_effective_source(left, reads),
            modalities={m: {"present": left.stream(m).present, "reason": left.stream(m).reason} for m in MODALITIES},
            transcript=utterance.transcript,
            translation=utterance.translation,
            words=utterance.words,
            scores={
                "complete_model_full": complete.score[0].item(),
                "complete_model_left": complete.score[1].item(),
                "missing_model_full": answers.score[-1].item(),
                "missing_model_left": score,
            },
            interval=interval,
            contributions={"base": base, **shapley(players, values, base)},
            mechanism=mechanism,
            timeline=seconds,
            timings_s={**utterance.timings_s, "predict": time.perf_counter() - start},
            notes=(*utterance.notes, *uncalibrated),
            frame_missing_rate=rates,
            edited=[w.text for w in utterance.words] != [w.text for w in whole.words],
            frames_s=tuple(t.time_s for t in utterance.thumbnails),
        )

    def _method(self, name: str) -> Loaded:
        if name not in self._by_method:
            raise MsaError(f"Unknown method {name!r}. Loaded: {', '.join(self._by_method)}.")
        return self._by_method[name]

    def _forward(self, model: Method, utterances: Sequence[Utterance], rates: Sequence[Tensor]) -> Output:
        return model(_dropping(utterances, rates).to(self.device))

    def _timeline(self, model: Method, utterance: Utterance, rate: Tensor) -> tuple[Mapping[str, Any], ...]:
        """One score a second, from the frames of a window around it; null where no model sees any frame."""
        batch = _dropping([utterance], [rate])
        rows, windows = timeline.windows(utterance, batch)
        by_second = dict(zip(rows, model(windows.to(self.device)).score.tolist(), strict=True)) if rows else {}
        seconds = zip(timeline.bounds(utterance.duration_s), timeline.observed(utterance, batch), strict=True)
        return tuple(
            {"start_s": start, "end_s": end, "score": by_second.get(i), "observed": seen}
            for i, ((start, end), seen) in enumerate(seconds)
        )


def checkpoint_of(method: str) -> str:
    """The checkpoint that `method` means: a shipped method's name, a checkpoint's name or a folder.

    Raises: CheckpointError listing what there is.
    """
    shipped = f"{method}-{CORPUS}-{VERSION}"
    return shipped if shipped in available() else method


def shipped_methods() -> list[str]:
    """The shipped checkpoints of published methods, in the order of METHODS.

    Raises: CheckpointError when there is none.
    """
    names = [n for n in available() if n.endswith(f"-{CORPUS}-{VERSION}")]
    order = list(methods.METHODS.values())
    found = [(methods.method_of(read_manifest(n), n), n) for n in names]
    published = [n for method, n in sorted(found, key=lambda f: order.index(f[0])) if method.published]
    if not published:
        raise CheckpointError(f"No method checkpoint is installed. {REPAIR}")
    return published


def _load(name: str, device: str) -> Loaded:
    model, manifest = methods.load(name, COMPACT.id)
    methods.verify_golden(model, name)
    teacher = methods.load_teacher(name, manifest)
    return Loaded(model.to(device), manifest, None if teacher is None else teacher.to(device))


def switches(dropped: Collection[str], text_source: str) -> set[str]:
    """The modalities that are switched off. Raises: MsaError for unknown names."""
    for name in dropped:
        if name not in MODALITIES:
            raise MsaError(f"Unknown modality {name!r}. Choose from: {', '.join(MODALITIES)}.")
    if text_source not in TEXT_SOURCES:
        raise MsaError(f"Unknown text source {text_source!r}. Choose from: {', '.join(TEXT_SOURCES)}.")
    return set(dropped) | (set() if text_source == "transcript" else {"text"})


def frame_rates(frame_missing_rate: Mapping[str, float] | None) -> dict[str, float]:
    """The rates above 0, in the order of MODALITIES. Raises: MsaError for unknown names and values out of range."""
    given = {} if frame_missing_rate is None else frame_missing_rate
    if not isinstance(given, Mapping):
        raise MsaError(f"frame_missing_rate is {given!r}; give a rate for each modality, such as {{'text': 0.5}}.")
    for name, rate in given.items():
        if name not in MODALITIES:
            raise MsaError(f"Unknown modality {name!r}. Choose from: {', '.join(MODALITIES)}.")
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= MAX_FRAME_RATE:
            raise MsaError(f"The frame rate of {name} is {rate!r}; give a share from 0 to {MAX_FRAME_RATE}.")
    return {m: float(given[m]) for m in MODALITIES if given.get(m)}


def _dropping(utterances: Sequence[Utterance], rates: Sequence[Tensor]) -> Batch:
    """Utterances as a batch, with frames dropped at the rates (3,) of each row; the same frames of every clip."""
    batch, rate = data.collate(list(utterances)), torch.stack(list(rates))
    return missing.frame(replace(batch, ids=(FRAME_ID,) * len(batch)), rate, FRAME_SEED) if rate.any() else batch


def _one_text(utterance: Utterance) -> Utterance:
    """Without the text imagined from the voice where the transcript is there."""
    return utterance.without("simulated", HEARD) if utterance.text.present else utterance


def _leave(utterance: Utterance, gone: Collection[str], text_source: str) -> Utterance:
    """What the models may see after the switches."""
    for name in gone:
        if utterance.stream(name).present:
            utterance = utterance.without(name, SWITCHED_OFF)
    if text_source == "none":
        utterance = utterance.without("simulated", SWITCHED_OFF)
    if not utterance.audio.present:
        utterance = utterance.without("simulated", "it is imagined from the voice, and there is no voice")
    return utterance


def _effective_source(left: Utterance, reads: bool) -> str:
    if left.text.present:
        return "transcript"
    return "simulated" if left.simulated.present and reads else "none"


def _nothing_left(utterance: Utterance, gone: Collection[str]) -> str:
    """One sentence: what is missing for which reason, and the way out."""
    could = [m for m in MODALITIES if utterance.stream(m).present]
    if could:
        return f"Nothing is left to analyse: switch on at least one of {', '.join(could)}."
    reasons = "; ".join(f"{m}: {utterance.stream(m).reason}" for m in MODALITIES)
    return f"Nothing to analyse in {utterance.id!r} ({reasons}). Choose a clip with a face or a voice."


def _coalitions(players: Sequence[str]) -> list[tuple[str, ...]]:
    return [c for size in range(1, len(players) + 1) for c in combinations(players, size)]


def _keep_only(utterance: Utterance, kept: Collection[str]) -> Utterance:
    return _leave(utterance, [m for m in MODALITIES if m not in kept], "transcript")


def _interval(manifest: dict[str, Any], left: Utterance, score: float) -> dict[str, float] | None:
    """Split-conformal interval of what is present, calibrated on validation, within the score range."""
    calibration = manifest.get("calibration") or {}
    pattern = "+".join(m for m in MODALITIES if left.stream(m).present)
    if left.audio.present and not left.text.present and not left.simulated.present:
        pattern += NOTHING_IMAGINED
    half = calibration.get("half_width", {}).get(pattern)
    if half is None:
        return None
    low, high = max(-SCORE_LIMIT, score - half), min(SCORE_LIMIT, score + half)
    return {"level": float(calibration["level"]), "low": low, "high": high}


def _mechanism(model: Method, answers: Output, left: Utterance, teacher: Output | None) -> dict[str, object]:
    """The method's own account of the first row, with times and words put to its attention weights."""
    mechanism = dict(model.mechanism(answers, 0, len(answers.score) - 1, teacher))
    for key in ("attention", "attention_without_prompts"):
        if isinstance(weights := mechanism.get(key), dict):
            mechanism[key] = {m: _timed(w, left, m) for m, w in weights.items() if left.stream(m).present}
    return mechanism


def _timed(weights: Sequence[float], utterance: Utterance, name: str) -> list[dict[str, object]]:
    times = utterance.stream(name).times_s
    if times is None:
        return []
    pairs = list(zip(times.tolist(), weights, strict=False))
    if name == "text" and (read := [w for w in utterance.words if not w.struck]):
        return _by_word(pairs, read)
    ends = [t for t, _ in pairs[1:]] + [utterance.duration_s]
    return [{"start_s": t, "end_s": max(t, end), "weight": float(w)} for (t, w), end in zip(pairs, ends, strict=True)]


def _by_word(pairs: Sequence[tuple[float, float]], words: Sequence[Word]) -> list[dict[str, object]]:
    """Sum the weights of a word's tokens; a token belongs to the last word that began by its time."""
    totals, current = [0.0] * len(words), 0
    for t, w in pairs:
        while current + 1 < len(words) and words[current + 1].start_s <= t + 1e-6:
            current += 1
        totals[current] += float(w)
    return [
        {"token": w.text, "start_s": w.start_s, "end_s": w.end_s, "weight": total}
        for w, total in zip(words, totals, strict=True)
    ]
