"""Comparison of all methods on one clip under every pattern of missing modalities, and under dropped frames.

Every model scores all its conditions in one batched pass. The scores are those of `Analyser.predict`; nothing of
the clip is kept. `views/comparison.py` draws them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from msa_core import batch as data
from msa_core import methods, missing, people
from msa_core.errors import MsaError
from msa_core.missing import PATTERNS
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Batch, Utterance, Votes

RATES = tuple(round(0.1 * i, 1) for i in range(10))
DRAWS = 5  # random choices of the dropped frames at each rate
SEED = 0


@dataclass(frozen=True)
class PatternScores:
    """Scores of one method for one pattern.

    complete: of its complete-modality model. missing: of its missing-modality model, with simulated text where text
    is gone and the method reads it. without_simulated_text: the same without simulated text; None where there is none.
    interval: level, low and high around `missing`, None when it is not calibrated.
    """

    complete: float
    missing: float
    without_simulated_text: float | None = None
    interval: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Condition:
    """One of missing.PATTERNS. lacks: its modalities that the clip never had, with reasons; then no answers.

    people: votes of those who stand beside it (`people.CHANNELS`), where there are any.
    """

    pattern: str
    lacks: Mapping[str, str]
    answers: Mapping[str, PatternScores]  # by method
    people: Votes | None = None


@dataclass(frozen=True)
class Comparison:
    """Scores of all methods on all patterns of one clip. complete: title of each complete-modality model."""

    clip: str
    duration_s: float
    full: str  # the pattern of everything that the clip has
    complete: Mapping[str, str]
    conditions: tuple[Condition, ...]  # all seven, in the order of PATTERNS

    @property
    def methods(self) -> tuple[str, ...]:
        """The compared methods."""
        return tuple(self.complete)

    @property
    def incomplete(self) -> tuple[Condition, ...]:
        """The patterns that the clip can have and that lack something that it has."""
        return tuple(c for c in self.conditions if c.answers and c.pattern != self.full)

    def of(self, pattern: str) -> Condition:
        """Return the condition of one pattern."""
        return next(c for c in self.conditions if c.pattern == pattern)

    def answer(self, method: str) -> PatternScores:
        """Return the full answer of a method: with everything that the clip has."""
        return self.of(self.full).answers[method]

    def move(self, method: str, pattern: str, flow: str = "missing") -> float:
        """Return the signed distance of a score from the full answer of its flow, "missing" or "complete"."""
        here, full = self.of(pattern).answers[method], self.answer(method)
        return here.missing - full.missing if flow == "missing" else here.complete - full.complete

    def moves(self, flow: str = "missing") -> dict[str, float]:
        """Average the absolute move of each method over the incomplete patterns; empty without any."""
        found = self.incomplete
        return {m: _mean([abs(self.move(m, c.pattern, flow)) for c in found]) for m in self.methods} if found else {}

    @property
    def judged(self) -> tuple[Condition, ...]:
        """The incomplete patterns on which people voted."""
        return tuple(c for c in self.incomplete if c.people is not None)

    def errors(self, flow: str = "missing") -> dict[str, float]:
        """Average each method's distance from the mean vote over the patterns of `judged`; empty without any."""
        found = [(c.answers, c.people.mean) for c in self.judged if c.people is not None]
        return (
            {m: _mean([abs(getattr(a[m], flow) - truth) for a, truth in found]) for m in self.methods} if found else {}
        )

    @property
    def nearest(self) -> str | None:
        """Method that moves least, the first of equals; a steady method is not an accurate one."""
        moves = self.moves()
        return min(moves, key=lambda m: moves[m]) if moves else None

    def effect_of_removing(self) -> dict[str, float]:
        """Average the move of all methods when one modality is removed; empty for a clip that has only one."""
        has = PATTERNS[self.full]
        if len(has) < 2:
            return {}
        rest = {m: "+".join(o for o in has if o != m) for m in has}
        return {m: _mean([abs(self.move(method, rest[m])) for method in self.methods]) for m in has}

    def to_json(self) -> dict[str, object]:
        """Convert to a JSON object of plain floats, null where nothing exists."""
        return {
            "clip": self.clip,
            "duration_s": self.duration_s,
            "full": self.full,
            "complete_models": dict(self.complete),
            "patterns": [
                {
                    "pattern": c.pattern,
                    "lacks": dict(c.lacks),
                    "people": None if c.people is None else c.people.to_json(),
                    "answers": {
                        m: {
                            "complete_model": a.complete,
                            "missing_model": a.missing,
                            "missing_model_nothing_imagined": a.without_simulated_text,
                            "interval": None if a.interval is None else dict(a.interval),
                        }
                        for m, a in c.answers.items()
                    },
                }
                for c in self.conditions
            ],
            "mean_move": {m: {f: self.moves(f).get(m) for f in ("missing", "complete")} for m in self.methods},
            "nearest_to_its_full_answer": self.nearest,
            "mean_distance_from_people": {
                m: {f: self.errors(f).get(m) for f in ("missing", "complete")} for m in self.methods
            },
            "mean_move_without": self.effect_of_removing(),
        }


@dataclass(frozen=True)
class Spread:
    """Mean, smallest and largest value over the draws."""

    mean: float
    low: float
    high: float

    @staticmethod
    def over(values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        return Spread(_mean(values), min(values), max(values))


@dataclass(frozen=True)
class Point:
    """Score of a model at one share of dropped frames, and its absolute move from its own full answer."""

    rate: float
    score: Spread
    move: Spread


@dataclass(frozen=True)
class RobustnessCurve:
    """Curve of one model against the share of dropped frames.

    methods: those it belongs to (one complete model may belong to several). flow: "missing" or "complete".
    """

    methods: tuple[str, ...]
    flow: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Robustness:
    """Curves of every model against the share of frames and words dropped from every modality."""

    clip: str
    draws: int
    complete: Mapping[str, str]  # what each method's complete-modality model is called
    lines: tuple[RobustnessCurve, ...]  # the methods in order, then the complete models

    def to_json(self) -> dict[str, object]:
        """Convert to a JSON object of plain floats."""
        return {
            "clip": self.clip,
            "draws": self.draws,
            "lines": [
                {
                    "methods": list(line.methods),
                    "flow": line.flow,
                    "points": [
                        {"frame_missing_rate": p.rate, "score": vars(p.score).copy(), "move": vars(p.move).copy()}
                        for p in line.points
                    ],
                }
                for line in self.lines
            ],
        }


def compare(analyser: Analyser, utterance: Utterance) -> Comparison:
    """Score one clip under each of the seven patterns by both models of every method.

    Raises:
        MsaError: the clip is empty.

    >>> from msa_core.config import shipped
    >>> from msa_core.features import store
    >>> analyser = Analyser.load("cpu")
    >>> found = compare(analyser, store.load(shipped("examples") / "features" / "jfk.flac.npz"))
    >>> found.full, [condition.pattern for condition in found.incomplete], found.of("vision").lacks
    ('text+audio', ['text', 'audio'], {'vision': 'no video track'})
    """
    # 1. The patterns that the clip can have, and what is left of it in each, with and without simulated text.
    has = [m for m in MODALITIES if analyser.left(utterance).stream(m).present]
    lacks = {p: {m: utterance.stream(m).reason or "" for m in keep if m not in has} for p, keep in PATTERNS.items()}
    asked = {}  # (pattern, with simulated text) -> what is left
    for pattern, keep in PATTERNS.items():
        if not lacks[pattern]:
            gone = [m for m in has if m not in keep]
            left = asked[pattern, True] = analyser.left(utterance, gone)
            if left.simulated.present and not left.text.present:
                asked[pattern, False] = analyser.left(utterance, gone, "none")
    # 2. One pass per model over all of them.
    places = {key: i for i, key in enumerate(asked)}
    scores = _scores(analyser, data.collate(list(asked.values())))

    def answer(method: str, pattern: str) -> PatternScores:
        here, bare = places[pattern, True], places.get((pattern, False))
        ours, complete = (scores[id(model)] for model in analyser.models(method))
        reads = bare is not None and analyser.reads_simulated_text(method)
        return PatternScores(
            complete=complete[here],
            missing=ours[here],
            without_simulated_text=ours[bare] if reads and bare is not None else None,
            interval=analyser.interval(method, asked[pattern, True], ours[here]),
        )

    return Comparison(
        clip=utterance.id,
        duration_s=utterance.duration_s,
        full="+".join(has),
        complete=complete_titles(analyser),
        conditions=tuple(
            Condition(
                p,
                lacks[p],
                {} if lacks[p] else {m: answer(m, p) for m in analyser.methods},
                None if lacks[p] or utterance.original else utterance.people.get(people.channel_of(p) or ""),
            )
            for p in PATTERNS
        ),
    )


def robustness(
    analyser: Analyser, utterance: Utterance, rates: Sequence[float] = RATES, draws: int = DRAWS
) -> Robustness:
    """Score one clip by every model while frames and words are dropped from all modalities (`missing.frame`).

    Args:
        analyser: the loaded models.
        utterance: the clip.
        rates: shares of dropped frames in [0, 1].
        draws: random choices of the frames at each rate. Frames dropped at one rate are dropped at every higher one
            too; they depend on the number of the draw only, so that every clip loses the same.

    Raises:
        MsaError: the clip is empty, or there are no rates or no draws.

    >>> from msa_core.config import shipped
    >>> from msa_core.features import store
    >>> read = store.load(shipped("examples") / "features" / "crema_happy.mp4.npz")
    >>> found = robustness(Analyser.load("cpu"), read, rates=(0.0, 0.5), draws=2)
    >>> [(point.rate, point.move.mean > 0) for point in found.lines[0].points]
    [(0.0, False), (0.5, True)]
    """
    if not rates or draws < 1:
        raise MsaError(f"{len(rates)} rates and {draws} draws; give at least one of each.")
    full = analyser.left(utterance)
    asked = [(rate, draw) for rate in sorted(set(rates)) for draw in range(draws if rate else 1)]
    batch = data.collate([full, *(replace(full, id=f"clip#{draw}") for _, draw in asked)])
    rate_of = torch.tensor([0.0, *(rate for rate, _ in asked)])[:, None].expand(-1, len(MODALITIES))
    scores = _scores(analyser, missing.frame(batch, rate_of, SEED))

    def line(model: int, flow: str, names: Sequence[str]) -> RobustnessCurve:
        whole, *answers = scores[model]
        points = []
        for rate in sorted(set(rates)):
            found = [s for s, (r, _) in zip(answers, asked, strict=True) if r == rate]
            points.append(Point(rate, Spread.over(found), Spread.over([abs(s - whole) for s in found])))
        return RobustnessCurve(tuple(names), flow, tuple(points))

    pairs = {m: [id(model) for model in analyser.models(m)] for m in analyser.methods}
    lines = [line(pairs[m][0], "missing", [m]) for m in pairs]
    for model in dict.fromkeys(complete for _, complete in pairs.values()):
        lines.append(line(model, "complete", [m for m in pairs if pairs[m][1] == model]))
    return Robustness(utterance.id, draws, complete_titles(analyser), tuple(lines))


def _scores(analyser: Analyser, batch: Batch) -> dict[int, list[float]]:
    """Score a batch by every model of the methods, each once; keyed by the model's id()."""
    batch, scores = batch.to(analyser.device), {}
    with torch.inference_mode():
        for model in (model for m in analyser.methods for model in analyser.models(m)):
            if id(model) not in scores:
                scores[id(model)] = model(batch).score.tolist()
    return scores


def complete_titles(analyser: Analyser) -> dict[str, str]:
    """Return the title that the evaluation gives the complete-modality model of each method."""
    titles = {}
    for m in analyser.methods:
        recipes = methods.METHODS[analyser.manifest(m)["method"]].recipes()
        titles[m] = next((r.title for r in recipes if r.kind == "complete"), methods.METHODS["baseline"].title)
    return titles


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
