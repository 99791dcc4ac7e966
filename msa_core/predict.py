"""Clip -> `Utterance` -> `Prediction`: the three side-by-side scores, contributions, interval and timeline.

`Analyser` holds the loaded models and nothing of any visitor. `extract` runs once per clip; `predict`
answers every switch from the extracted utterance in one batched pass per model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from . import data, methods
from .checkpoint import REPAIR, available, read_manifest
from .config import MediaLimits
from .contributions import shapley
from .damage import Damage
from .errors import CheckpointError, MsaError
from .extract import Extractor
from .features import COMPACT
from .methods import Method
from .schema import MODALITIES, SCORE_LIMIT, TEXT_SOURCES, Output, Prediction, Stream, Utterance, Word
from .train import NOTHING_IMAGINED

SWITCHED_OFF = "switched off by the user"
WINDOW_S = 3.0  # length of the sliding window behind each second of the timeline
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

    def predict(
        self,
        utterance: Utterance,
        method: str = "sdumc",
        dropped: Collection[str] = (),
        text_source: str = "transcript",
    ) -> Prediction:
        """Answer for one set of switches; nothing is extracted again.

        Args: dropped: modalities switched off. text_source: "transcript"; "simulated" switches the
            transcript off and lets methods that can imagine text from the voice; "none" gives no text at all.
            A dropped text is simulated unless the source is "none".
        Raises: MsaError for unknown names or when nothing is left to analyse.
        """
        start = time.perf_counter()
        loaded, gone = self._method(method), switches(dropped, text_source)
        everything = utterance.without("simulated", "the transcript is there") if utterance.text.present else utterance
        left = _leave(utterance, gone, text_source)
        players = [m for m in MODALITIES if left.stream(m).present]
        if not players:
            raise MsaError(_nothing_left(utterance, gone))
        with torch.inference_mode():
            variants = [left, *(_keep_only(left, s) for s in _coalitions(players)), everything]
            answers = self._forward(loaded.model, variants)
            complete = self._forward(loaded.teacher or self.complete.model, [everything, left])
            heard = left.without("simulated", "the transcript is there") if left.text.present else left
            timeline = self._timeline(loaded.model, heard)
        values = dict(zip(_coalitions(players), answers.score.tolist()[1:-1], strict=True))
        base = float(loaded.manifest["mean_score"])
        score = answers.score[0].item()
        mechanism = _mechanism(loaded.model, answers, left, complete if loaded.teacher else None)
        reads = loaded.model.reads_simulated and bool(mechanism.get("text_simulated", True))  # it may decide against
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
                "missing_model_left": score,
            },
            interval=_interval(loaded.manifest, left, score),
            contributions={"base": base, **shapley(players, values, base)},
            mechanism=mechanism,
            timeline=timeline,
            timings_s={**utterance.timings_s, "predict": time.perf_counter() - start},
            notes=utterance.notes,
        )

    def _method(self, name: str) -> Loaded:
        if name not in self._by_method:
            raise MsaError(f"Unknown method {name!r}. Loaded: {', '.join(self._by_method)}.")
        return self._by_method[name]

    def _forward(self, model: Method, utterances: Sequence[Utterance]) -> Output:
        return model(data.collate(list(utterances)).to(self.device))

    def _timeline(self, model: Method, utterance: Utterance) -> tuple[dict[str, float | None], ...]:
        """One score a second, from the frames of a window of WINDOW_S around it; null where it is empty."""
        n = max(1, round(utterance.duration_s))
        step = utterance.duration_s / n
        windows = [_window(utterance, (i + 0.5) * step) for i in range(n)]
        filled = [i for i, w in enumerate(windows) if any(w.stream(m).present for m in MODALITIES)]
        scores = self._forward(model, [windows[i] for i in filled]).score.tolist() if filled else []
        by_second = dict(zip(filled, scores, strict=True))
        return tuple({"start_s": i * step, "end_s": (i + 1) * step, "score": by_second.get(i)} for i in range(n))


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


def _window(utterance: Utterance, centre_s: float) -> Utterance:
    """The frames within WINDOW_S / 2 of a time; a stream without any is absent there."""

    def cut(stream: Stream) -> Stream:
        if stream.values is None or stream.times_s is None:
            return stream
        near = abs(stream.times_s - centre_s) <= WINDOW_S / 2
        return Stream(stream.values[near], stream.times_s[near]) if near.any() else Stream.absent("outside the window")

    streams = {name: cut(utterance.stream(name)) for name in (*MODALITIES, "simulated")}
    if not streams["audio"].present:
        streams["simulated"] = Stream.absent("outside the window")
    return utterance.with_streams(streams)


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
    if name == "text" and utterance.words:
        return _by_word(pairs, utterance.words)
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
