"""Prediction: an `Utterance` and a set of switches become the scores, contributions, interval and timeline.

`Analyser` holds the loaded models and keeps nothing of any visitor. `extract` runs once per clip; `predict` answers
every switch from the extracted utterance in one batched pass per model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from msa_core import checkpoint, edit, missing, people
from msa_core.batch import collate
from msa_core.clip_reader import ClipReader
from msa_core.config import MediaLimits, choose_device
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.explain import conformal, timeline
from msa_core.explain.shapley import shapley
from msa_core.extract import ENGLISH, Extractor
from msa_core.large import extractor_of
from msa_core.methods import Method
from msa_core.methods.shipped import COMPLETE_MODEL, Loaded, checkpoint_of, load_verified, shipped_methods
from msa_core.missing import after_switches, frame_rates, keep_only, nothing_left, one_text, switches
from msa_core.schema import MODALITIES, Batch, Output, Prediction, Utterance, Votes, Word

FULL_SCORES = ("complete_model_full", "missing_model_full")
LEFT_SCORES = ("complete_model_left", "missing_model_left")
NOT_CALIBRATED = "The interval is calibrated without dropped frames; with them it may be too narrow."


class Analyser:
    """Loaded extractor, missing-modality methods and their complete-modality models.

    The complete-modality model of a method with a teacher is its teacher; that of the others is late fusion.

    >>> from msa_core.config import shipped
    >>> analyser = Analyser.load("cpu")
    >>> utterance = analyser.extract(shipped("examples") / "crema_happy.mp4")
    >>> prediction = analyser.predict(utterance, "corrkd", dropped=["text"])
    >>> prediction.modalities["text"]["reason"], -3 <= prediction.scores["missing_model_left"] <= 3
    ('switched off by the user', True)
    >>> analyser.edit(utterance, "I love this coat.").transcript
    'I love this coat.'
    """

    def __init__(self, reader: ClipReader, complete: Loaded, by_method: dict[str, Loaded], device: str = "cpu"):
        """Hold the loaded models.

        Args:
            reader: reads clips.
            complete: late fusion, trained on complete input.
            by_method: the missing-modality models, by the name that `predict` accepts.
            device: "cpu" or "cuda", where the models lie.
        """
        self.reader, self.complete, self.device = reader, complete, device
        self._by_method = by_method

    @staticmethod
    def load(
        device: str | None = None,
        method: str | None = None,
        features: str | Path | None = None,
        complete: str | None = None,
        dtype: str | None = None,
        whisper: str = ENGLISH,
    ) -> Analyser:
        """Load and verify the shipped models, or one checkpoint with the extractors that it was trained with.

        Args:
            device: "cpu" or "cuda"; None takes the GPU when there is one.
            method: a method name, checkpoint name or checkpoint folder, to load only this one.
            features: settings of its large feature set; None takes those in its manifest.
            complete: the complete model of a method without a teacher, a checkpoint of the same features; None takes
                the shipped late fusion, or the method itself when it was trained on complete input.
            dtype: of the models of a large feature set: "fp32", "fp16" or "bf16"; None takes fp16 on a GPU and
                fp32 elsewhere.
            whisper: size of the Whisper that hears English words for the compact set, such as "base".

        Raises:
            CheckpointError, FeatureError: weights are missing, altered or of another feature set.
            MsaError: there is no complete model.
        """
        device = choose_device(device)
        if method is not None:
            manifest = checkpoint.read_manifest(checkpoint_of(method))
            large = extractor_of(manifest, features, device, dtype)
            if large is not None and whisper != ENGLISH:
                raise MsaError("The feature set of this checkpoint says what hears the words. Leave --whisper out.")
            if large is not None:
                return _of_large(large, method, complete, device)
        if features is not None or dtype is not None:
            raise MsaError("Only a checkpoint of a large feature set takes --features and --dtype. Leave them out.")
        wanted = shipped_methods() if method is None else [checkpoint_of(method)]
        whole = load_verified(complete or COMPLETE_MODEL, device)
        by_method = {}
        for name in wanted:
            loaded = load_verified(name, device)
            by_method[loaded.manifest["method"] if method is None else method] = loaded
        return Analyser(Extractor.load(device, whisper), whole, by_method, device)

    @property
    def extractor(self) -> Extractor:
        """Extractors of the compact feature set, for those who use them one by one. Raises: MsaError."""
        if not isinstance(self.reader, Extractor):
            raise MsaError(f"This needs the compact features, these are {self.reader.feature_set.id!r}.")
        return self.reader

    @property
    def methods(self) -> tuple[str, ...]:
        """Names that `predict` accepts."""
        return tuple(self._by_method)

    def reads_simulated_text(self, method: str) -> bool:
        """Tell whether simulated text can change the answer of a loaded method."""
        return self._method(method).model.reads_simulated_text

    def manifest(self, method: str) -> dict[str, Any]:
        """Return the manifest of a loaded method."""
        return self._method(method).manifest

    def models(self, method: str) -> tuple[Method, Method]:
        """Return the missing-modality model of a loaded method and its complete-modality model."""
        loaded = self._method(method)
        return loaded.model, loaded.teacher or self.complete.model

    def left(self, utterance: Utterance, dropped: Collection[str] = (), text_source: str = "transcript") -> Utterance:
        """Return the utterance with what the models may see after the switches (see `predict`).

        Raises:
            MsaError: a name is unknown, or nothing is left.
        """
        left = after_switches(utterance, dropped, text_source)
        if not any(left.stream(m).present for m in MODALITIES):
            raise MsaError(nothing_left(utterance))
        return left

    def interval(self, method: str, left: Utterance, score: float) -> dict[str, float] | None:
        """Return level, low and high of the interval around a score for what is `left`; None when uncalibrated."""
        return conformal.interval(self.manifest(method), left, score)

    def extract(
        self,
        path: str | Path,
        limits: MediaLimits | None = None,
        progress: Callable[[str, float], None] | None = None,
        degradation: Degradation | None = None,
        spoken: str = "en",
        any_language: bool = False,
    ) -> Utterance:
        """Extract the features of one clip; see `Extractor.utterance` for arguments and errors."""
        return self.reader.utterance(path, limits or MediaLimits(), progress, degradation, spoken, any_language)

    def edit(self, utterance: Utterance, transcript: str | None = None, struck: Collection[int] = ()) -> Utterance:
        """Change the words of a clip; see `edit.edit` for arguments and errors."""
        return edit.edit(utterance, self.reader.text, transcript, struck)

    def predict(
        self,
        utterance: Utterance,
        method: str | None = None,
        dropped: Collection[str] = (),
        text_source: str = "transcript",
        frame_missing_rate: Mapping[str, float] | None = None,
    ) -> Prediction:
        """Predict the sentiment of a clip for one set of switches; nothing is extracted again.

        The two full scores see every frame, and the words as they were heard even when the utterance is edited.

        Args:
            utterance: the extracted clip.
            method: one of `methods`; None takes the first of them.
            dropped: modalities that are switched off.
            text_source: "transcript"; "simulated" switches the transcript off and leaves the simulated text to
                methods that read it; "none" switches both off. A dropped text is simulated unless it is "none".
            frame_missing_rate: share of dropped frames by modality, 0 to 0.9; a rate always drops the same frames.

        Raises:
            MsaError: a name is unknown, a rate is out of range, or nothing is left to analyse.
        """
        start = time.perf_counter()
        # 1. Check the request.
        dropped, method = tuple(dropped), method or self.methods[0]
        loaded, gone, rates = self._method(method), switches(dropped, text_source), frame_rates(frame_missing_rate)
        rate = torch.tensor([rates.get(m, 0.0) for m in MODALITIES], dtype=torch.float64)
        # 2. Remove what is switched off; the full scores keep everything that was heard.
        whole = utterance.original or utterance
        everything, left = one_text(whole), self.left(utterance, dropped, text_source)
        players = [m for m in MODALITIES if left.stream(m).present]
        # 3. One pass per model: what is left, each coalition of it for the Shapley values, and everything.
        with torch.inference_mode():
            *parts, _ = _coalitions(players)  # the largest is all that is left
            variants = [left, *(keep_only(left, s) for s in parts)]
            batch = _dropping([*variants, everything], [*[rate] * len(variants), 0 * rate]).to(self.device)
            seconds = _Seconds(one_text(left), batch.rows([0]))
            answers, *by_second = loaded.model.each([batch, *(w.to(self.device) for w in seconds.windows)])
            complete = (loaded.teacher or self.complete.model)(batch.rows([-1, 0]))
        # 4. Explain the score: contributions, the method's own mechanism, interval.
        score, base = answers.score[0].item(), float(loaded.manifest["mean_score"])
        values = dict(zip([tuple(players), *parts], answers.score.tolist()[:-1], strict=True))
        mechanism = _mechanism(loaded.model, answers, left, complete if loaded.teacher else None)
        reads = loaded.model.reads_simulated_text and bool(mechanism.get("text_simulated", True))  # it may decline
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
            timeline=seconds.scored(score, by_second),
            timings_s={**utterance.timings_s, "predict": time.perf_counter() - start},
            notes=(*utterance.notes, *uncalibrated),
            frame_missing_rate=rates,
            edited=[w.text for w in utterance.words] != [w.text for w in whole.words],
            frames_s=tuple(t.time_s for t in utterance.thumbnails),
            prosody=left.prosody,
            people=_people(utterance, everything, left, rates),
        )

    def scores(
        self, utterance: Utterance, method: str, dropped: Collection[str] = (), text_source: str = "transcript"
    ) -> tuple[dict[str, float], dict[str, float] | None, Utterance]:
        """Compute the scores and the interval of `predict` alone, in one batched pass per model.

        Returns:
            The scores by name, the interval or None, and what is left of the utterance.

        Raises:
            MsaError: a name is unknown, or nothing is left to analyse.
        """
        loaded, teacher = self._method(method), self.models(method)[1]
        left = self.left(utterance, dropped, text_source)
        both, rates = [one_text(utterance.original or utterance), left], [torch.zeros(len(MODALITIES))] * 2
        with torch.inference_mode():
            own = self._forward(loaded.model, both, rates).score.tolist()
            complete = self._forward(teacher, both, rates).score.tolist()
        scores = dict(zip((*FULL_SCORES, *LEFT_SCORES), (complete[0], own[0], complete[1], own[1]), strict=True))
        return scores, self.interval(method, left, own[1]), left

    def _method(self, name: str) -> Loaded:
        if name not in self._by_method:
            raise MsaError("Unknown method {name}. Loaded: {names}.", name=repr(name), names=", ".join(self._by_method))
        return self._by_method[name]

    def _forward(self, model: Method, utterances: Sequence[Utterance], rates: Sequence[Tensor]) -> Output:
        return model(_dropping(utterances, rates).to(self.device))


class _Seconds:
    """The seconds of a clip: windows for a model, and what it answers as the timeline."""

    def __init__(self, utterance: Utterance, batch: Batch):
        """Cut a clip into windows, one batch, none where no frame is seen or every frame is.

        batch: the utterance after dropping frames; simulated text that it lacks is not looked at.
        """
        self._bounds, self._observed = timeline.bounds(utterance.duration_s), timeline.observed(utterance, batch)
        self._whole, self._rows, windows = timeline.windows(utterance, batch)
        self.windows = [windows] if self._rows else []

    def scored(self, score: float, answers: Sequence[Output]) -> tuple[Mapping[str, Any], ...]:
        """Give every second the score of the window around it, that of the clip where this holds all of it.

        None where no frame is seen.
        """
        scores = answers[0].score.tolist() if answers else []
        by_second = dict.fromkeys(self._whole, score) | dict(zip(self._rows, scores, strict=True))
        seconds = zip(self._bounds, self._observed, strict=True)
        return tuple(
            {"start_s": start, "end_s": end, "score": by_second.get(i), "observed": seen}
            for i, ((start, end), seen) in enumerate(seconds)
        )


def _of_large(reader: ClipReader, method: str, complete: str | None, device: str) -> Analyser:
    """Load a checkpoint of a large feature set and its complete model. Raises: CheckpointError, MsaError."""
    loaded = load_verified(checkpoint_of(method), device, reader.feature_set.id)
    itself = loaded.teacher is not None or loaded.manifest["train"]["regime"] == "complete"
    if complete is None and not itself:
        raise MsaError(
            f"{method} has no teacher to stand beside it. Train 'baseline' on the same features with --set "
            "regime=complete, and give it with --complete."
        )
    whole = loaded if complete is None else load_verified(checkpoint_of(complete), device, reader.feature_set.id)
    return Analyser(reader, whole, {method: loaded}, device)


def _people(
    utterance: Utterance, everything: Utterance, left: Utterance, rates: Mapping[str, float]
) -> dict[str, tuple[str, Votes]]:
    """Look up what people said who had everything ("full"), and who had what is left ("left"), where anybody had."""
    edited = utterance.original is not None and left.text.present
    damaged = edited or any(rate and left.stream(m).present for m, rate in rates.items())
    found = {}
    for name, one in {"full": everything, **({} if damaged else {"left": left})}.items():
        channel = people.channel_of("+".join(m for m in MODALITIES if one.stream(m).present))
        if channel is not None and channel in utterance.people:
            found[name] = channel, utterance.people[channel]
    return found


def _dropping(utterances: Sequence[Utterance], rates: Sequence[Tensor]) -> Batch:
    """Collate utterances and drop frames at the rates (3,) of each row."""
    return missing.same_frames(collate(utterances), torch.stack(list(rates)))


def _effective_source(left: Utterance, reads: bool) -> str:
    """Name the text that the method read. `reads`: it reads simulated text."""
    if left.text.present:
        return "transcript"
    return "simulated" if left.simulated.present and reads else "none"


def _coalitions(players: Sequence[str]) -> list[tuple[str, ...]]:
    """List the non-empty subsets of the modalities, small ones first."""
    return [c for size in range(1, len(players) + 1) for c in combinations(players, size)]


def _mechanism(model: Method, answers: Output, left: Utterance, teacher: Output | None) -> dict[str, object]:
    """Return the method's account of the first row, with times and words beside its attention weights."""
    mechanism = dict(model.mechanism(answers, 0, len(answers.score) - 1, teacher))
    for key in ("attention", "attention_without_prompts"):
        if isinstance(weights := mechanism.get(key), dict):
            mechanism[key] = {m: _timed(w, left, m) for m, w in weights.items() if left.stream(m).present}
    return mechanism


def _timed(weights: Sequence[float], utterance: Utterance, name: str) -> list[dict[str, object]]:
    """Give the weights of a stream's frames their times; those of the text are summed by word."""
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
