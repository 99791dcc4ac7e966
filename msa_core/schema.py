"""Types that travel from file to score; modalities are always in the order text, audio, vision."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # the process that reads media starts without it
    from torch import Tensor

MODALITIES = ("text", "audio", "vision")
STREAMS = (*MODALITIES, "simulated")  # simulated: text simulated from the voice (features/simulated_text.py)
TEXT_SOURCES = ("transcript", "simulated", "none")
SAMPLE_RATE_HZ = 16_000  # of every waveform
SCORE_LIMIT = 3.0  # sentiment scores live in [-3, 3], as in CMU-MOSI and CMU-MOSEI


@dataclass(frozen=True)
class MediaInfo:
    """Facts about a media file from one probe; sizes are after rotation, times come from decoded pts."""

    name: str
    duration_s: float
    has_audio: bool
    has_video: bool
    sample_rate_hz: int = 0
    n_channels: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    rotation_deg: int = 0
    start_s: float = 0.0  # pts of the earliest picture or sound: time 0 of the clip
    pixel_aspect: float = 1.0  # width of a stored pixel over its height
    undecodable: Mapping[str, str] = field(default_factory=dict)  # "audio" or "video" track -> its codec
    chosen: tuple[int, ...] = ()  # stream indices of the tracks that are read, of a kind with several
    audio_track: int = 1  # number of the sound track that is read, from 1
    n_audio_tracks: int = 0
    video_track: int = 1  # of the pictures that are read
    n_video_tracks: int = 0


@dataclass(frozen=True)
class Word:
    """One word with its time in the clip, in seconds; `struck` when a visitor struck it out and no model reads it."""

    text: str
    start_s: float
    end_s: float
    struck: bool = False


@dataclass(frozen=True)
class Stream:
    """One modality of one clip: values (T, D) float32 with times_s (T,), or absent with a reason.

    >>> Stream.absent("no face was found").present
    False
    """

    values: np.ndarray | None = None
    times_s: np.ndarray | None = None
    reason: str | None = None

    @property
    def present(self) -> bool:
        """True when the modality is there."""
        return self.values is not None

    @staticmethod
    def absent(reason: str) -> Stream:
        """Make the stream of a modality that is not there, with the reason."""
        return Stream(reason=reason)


@dataclass(frozen=True)
class Thumbnail:
    """A sampled frame for display: image (H, W, 3) uint8, face box (x, y, w, h) in pixels of it or None."""

    time_s: float
    image: np.ndarray
    box: tuple[int, int, int, int] | None = None
    valence: float | None = None  # of the face, about [-2.5, 2]


@dataclass(frozen=True)
class Prosody:
    """How something was said, measured from the sound (`features/prosody.py`) and read by no model.

    A measure is None where there is nothing to measure; `reasons` then tells why, under "voice" for pitch and
    loudness, under "words" for pace and pauses. A spread is the width of the middle 80 %.
    """

    pitch_hz: float | None  # median
    pitch_spread_semitones: float | None
    loudness_dbfs: float | None  # of the voiced parts, in dB of full scale
    loudness_spread_db: float | None
    voiced_share: float  # of the clip's sound, 0 to 1
    words_per_s: float | None  # from the first word to the last
    pauses_s: tuple[tuple[float, float], ...] | None  # between words: start and end
    curve: tuple[tuple[float, float, float], ...]  # pitch over time: start and end in s, Hz; voiced pieces only
    reasons: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Convert to the public JSON object (docs/api.md)."""
        pauses = None if self.pauses_s is None else [{"start_s": a, "end_s": b} for a, b in self.pauses_s]
        return {
            "pitch_hz": self.pitch_hz,
            "pitch_spread_semitones": self.pitch_spread_semitones,
            "loudness_dbfs": self.loudness_dbfs,
            "loudness_spread_db": self.loudness_spread_db,
            "voiced_share": self.voiced_share,
            "words_per_s": self.words_per_s,
            "pauses": pauses,
            "curve": [{"start_s": a, "end_s": b, "hz": hz} for a, b, hz in self.curve],
            "reasons": dict(self.reasons),
        }


@dataclass(frozen=True)
class Votes:
    """What people said of a clip from one channel (`people.py`): counts by emotion, and the points a vote counts."""

    counts: Mapping[str, int]
    points: Mapping[str, float]

    @property
    def n(self) -> int:
        """Number of voters."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """Mean vote on the scale of the scores."""
        return sum(n * self.points[e] for e, n in self.counts.items()) / self.n

    @property
    def spread(self) -> float:
        """Standard deviation of the votes; 0 for a single one."""
        if self.n < 2:
            return 0.0
        squares = sum(n * (self.points[e] - self.mean) ** 2 for e, n in self.counts.items())
        return math.sqrt(squares / (self.n - 1))

    def to_json(self) -> dict[str, object]:
        """Convert to the public JSON object (docs/api.md)."""
        return {"mean": self.mean, "spread": self.spread, "n": self.n, "votes": dict(self.counts)}


@dataclass(frozen=True)
class Utterance:
    """Features and words of one clip; nothing in it depends on a method or on what is switched off.

    After an edit of the words `original` is the clip as it was heard; None as long as nothing was edited.
    """

    id: str
    duration_s: float
    feature_set: str
    text: Stream
    audio: Stream
    vision: Stream
    simulated: Stream
    transcript: str = ""
    words: tuple[Word, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    notes: tuple[str, ...] = ()  # sentences for the user, e.g. "2 faces: following the larger steady one"
    timings_s: Mapping[str, float] = field(default_factory=dict)
    label: float | None = None  # human score in [-3, 3] when known
    original: Utterance | None = None
    translation: str = ""  # of the transcript to English, when something else was spoken: then `words` are its words
    prosody: Prosody | None = None  # of the voice; None without one, or in a file written before it was measured
    people: Mapping[str, Votes] = field(default_factory=dict)  # by channel: "voice", "face", "both"; empty for most

    def stream(self, name: str) -> Stream:
        """Return the stream called `name`, one of STREAMS."""
        return getattr(self, name)  # type: ignore[no-any-return]

    def without(self, name: str, reason: str) -> Utterance:
        """Copy the utterance with stream `name` absent for `reason`."""
        return self.with_streams({name: Stream.absent(reason)})

    def with_streams(self, streams: Mapping[str, Stream]) -> Utterance:
        """Copy the utterance with other streams."""
        changed: dict[str, Any] = dict(streams)
        return replace(self, **changed)


@dataclass(frozen=True)
class Batch:
    """Padded utterances, keyed by STREAMS.

    features[s] (B, T_s, D_s) float32; valid[s] (B, T_s) True = real frame, not padding;
    observed[s] (B, T_s) True = frame not dropped (dropped frames stay valid and are zeroed);
    present (B, 3) True = modality observed. An absent modality has no valid frame. The simulated
    stream is text simulated from the voice: `missing` keeps it valid only while the audio is present.
    """

    features: Mapping[str, Tensor]
    valid: Mapping[str, Tensor]
    observed: Mapping[str, Tensor]
    present: Tensor
    label: Tensor | None = None  # (B,) human scores in [-3, 3] when known; of E emotions (B, E), 1 = there
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.present.shape[0])

    def trimmed(self) -> Batch:
        """Remove the frames at the end that are padding in every row; one frame is kept."""
        n = {s: 1 + int(v.any(0).nonzero().max()) if bool(v.any()) else 1 for s, v in self.valid.items()}
        parts = ("features", "valid", "observed")
        cut: dict[str, Any] = {k: {s: t[:, : n[s]].contiguous() for s, t in getattr(self, k).items()} for k in parts}
        return replace(self, **cut)

    def rows(self, numbers: Sequence[int]) -> Batch:
        """Select rows by their numbers."""
        chosen = self.present.new_tensor(numbers, dtype=int)  # type: ignore[arg-type]  # torch takes Python's own
        parts, ids = ("features", "valid", "observed"), tuple(self.ids[i] for i in numbers)
        cut: dict[str, Any] = {k: {s: t[chosen] for s, t in getattr(self, k).items()} for k in parts}
        label = None if self.label is None else self.label[chosen]
        return replace(self, present=self.present[chosen], label=label, ids=ids, **cut)

    def to(self, device: str) -> Batch:
        """Move the batch to another device."""
        parts = ("features", "valid", "observed")
        moved: dict[str, Any] = {k: {s: t.to(device) for s, t in getattr(self, k).items()} for k in parts}
        label = None if self.label is None else self.label.to(device)
        return replace(self, present=self.present.to(device), label=label, **moved)


@dataclass(frozen=True)
class Output:
    """Output of a method: score (B,) in [-3, 3], joint representation (B, D), named trace tensors.

    Of E emotions the score is the log odds (B, E). logits (B, K) where the method has classes. `trace` holds what a
    screen or a loss may read (gates, attention, prompt weights); every trace tensor has B as its first axis.
    """

    score: Tensor
    joint: Tensor
    logits: Tensor | None = None
    trace: Mapping[str, Tensor] = field(default_factory=dict)

    def split(self, sizes: list[int]) -> list[Output]:
        """Split the rows into outputs of so many rows each."""
        logits = [None] * len(sizes) if self.logits is None else self.logits.split(sizes)
        traces = {name: t.split(sizes) for name, t in self.trace.items()}
        parts = zip(self.score.split(sizes), self.joint.split(sizes), logits, strict=True)
        return [Output(*part, {name: t[i] for name, t in traces.items()}) for i, part in enumerate(parts)]


@dataclass(frozen=True)
class Prediction:
    """Prediction for one clip, one method and one set of switches, as the page and the JSON show it."""

    clip: str
    duration_s: float
    feature_set: str
    method: str
    dropped: tuple[str, ...]
    text_source: str
    modalities: Mapping[str, Mapping[str, object]]  # {"text": {"present": bool, "reason": str | None}, ..}
    transcript: str
    words: tuple[Word, ...]
    scores: Mapping[str, float | None]  # complete_model_full, complete_model_left, missing_model_full, .._left
    interval: Mapping[str, float] | None  # level, low, high
    contributions: Mapping[str, float]  # base, text, audio, vision; sum to missing_model_left
    mechanism: Mapping[str, object]
    timeline: tuple[Mapping[str, Any], ...]  # start_s, end_s, score or None where nothing is, observed per modality
    timings_s: Mapping[str, float]
    notes: tuple[str, ...] = ()
    frame_missing_rate: Mapping[str, float] = field(default_factory=dict)  # of modalities with dropped frames
    edited: bool = False  # the words are not those that were heard; struck words alone are no such edit
    frames_s: tuple[float, ...] = ()  # times of the frames that are kept for display
    translation: str = ""  # of the transcript to English; empty when English was spoken
    prosody: Prosody | None = None  # of the voice; None when it is absent, switched off or was not measured
    people: Mapping[str, tuple[str, Votes]] = field(default_factory=dict)  # "full", "left" -> channel and votes

    def to_json(self) -> dict[str, object]:
        """Convert to the public JSON object (docs/api.md); plain floats, null where nothing exists."""
        return {
            "clip": self.clip,
            "duration_s": self.duration_s,
            "feature_set": self.feature_set,
            "method": self.method,
            "dropped": list(self.dropped),
            "text_source": self.text_source,
            "frame_missing_rate": dict(self.frame_missing_rate),
            "edited": self.edited,
            "modalities": {m: dict(v) for m, v in self.modalities.items()},
            "transcript": self.transcript,
            "translation": self.translation,
            "words": [{"word": w.text, "start_s": w.start_s, "end_s": w.end_s, "struck": w.struck} for w in self.words],
            "scores": dict(self.scores),
            "interval": None if self.interval is None else dict(self.interval),
            "contributions": dict(self.contributions),
            "mechanism": dict(self.mechanism),
            "prosody": None if self.prosody is None else self.prosody.to_json(),
            "people": {k: {"channel": channel, **votes.to_json()} for k, (channel, votes) in self.people.items()},
            "timeline": [dict(t) for t in self.timeline],
            "timings_s": dict(self.timings_s),
            "notes": list(self.notes),
        }

    def json_text(self) -> str:
        """Write the public JSON object as the text of a file, the same for page, command line and programs."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
