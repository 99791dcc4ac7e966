"""The composite corpus: real texts, voices and faces joined by real human ratings.

No labelled audio-visual sentiment corpus may be redistributed, so utterances are composed. A row of CH-SIMS v2
(Liu et al. 2022, arXiv:2209.02604) gives four human ratings of one real clip: its text, its voice, its face and the
whole. Times three they lie in [-3, 3]. The text becomes an English utterance with about the same text rating, the
voice an acted or broadcast clip whose emotion matches the audio rating, the face track a sequence of faces around
the vision rating; the target is the rating of the whole. So the structure of the ratings, conflicts included, is
human and every piece is real; **the pairing is not**. Splits are disjoint in CH-SIMS row, speaker, face image,
source video and sentence.

Row -> `read_rows`; choice of pieces -> `compose`; features -> pools.py; everything -> `build`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.pools import BROADCAST, SHORT, CountProgress, Pool, Pools, build_pools, quiet
from msa_core.corpora.ragged import Ragged
from msa_core.corpora.texts import open_rows
from msa_core.errors import MsaError
from msa_core.feature_training.voice_clips import generator
from msa_core.features import COMPACT
from msa_core.schema import SCORE_LIMIT

NAME = "composite"
NEUTRAL = 0.3  # ratings below this are near zero
FAMILIES = (3, 4, 5, 6, 7)  # sadness, anger, disgust, fear, contempt: a track shows one of them at most
SHARED = (0, 1, 2)  # neutral, happiness, surprise belong to every family
STATEMENT = (
    "The structure of the ratings is human (CH-SIMS v2: text, voice, face and the whole of one real clip) and every "
    "piece is a real recording, sentence or photograph, but the pieces of an utterance do not belong together: the "
    "pairing is composed. Numbers on this corpus compare methods; they say little about a person on a video."
)
SOURCES = {
    "ratings": "CH-SIMS v2, Liu et al. 2022, arXiv:2209.02604; research use",
    "text": "CMU-MOSI, Zadeh et al. 2016, arXiv:1606.06259, and CMU-MOSEI, Zadeh et al. 2018; YouTube; research use",
    "audio": "RAVDESS, Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391, CC BY-NC-SA 4.0; "
    "URDU, Latif et al. 2018, arXiv:1812.10411; research use",
    "vision": "FER2013, Goodfellow et al. 2013; research use; FER+ votes, Barsoum et al. 2016, arXiv:1608.01041, MIT",
    "simulated": "the sentences spoken by flite (slt, rms, awb, kal16) and espeak-ng, heard by Whisper tiny.en, MIT",
}


@dataclass(frozen=True)
class CompositionConfig:
    """Settings of the draw of pieces for a row. Valence is that of FER+ faces, about [-2.5, 2]."""

    seed: int = 0
    draws: tuple[int, ...] = (6, 3, 5)  # utterances per row in train, valid, test
    text_share: float = 0.02  # of the split's texts count as near enough in rating
    short_share: float = (
        0.5  # of near-zero texts are drawn among the short ones: everyday remarks are short and neutral
    )
    spoken_share: float = 0.5  # of training texts are drawn among those that were also spoken; the others all are
    voice_tolerance: float = 0.3  # clips this near in score, or the nearest when none is
    broadcast_weight: float = 0.4  # of a URDU clip beside an acted one: its emotion is recognised less well
    misheard_share: float = 0.25  # of training texts enter as heard by the recogniser instead of as written
    n_faces: tuple[int, int] = (5, 10)  # different faces of a track
    hold: int = 3  # one face stays for 1 to this many frames
    face_offset: float = 0.45  # valence: standard deviation of a whole track around its rating
    face_spread: tuple[float, float] = (0.2, 0.9)  # valence: standard deviation of faces inside a track
    face_choice: int = 60  # nearest faces to draw from
    gap_share: float = 0.2  # of the tracks lose the face for a while


@dataclass(frozen=True)
class RatedClip:
    """Ratings of one CH-SIMS v2 clip in [-3, 3]."""

    id: str
    split: str
    text: float
    audio: float
    vision: float
    whole: float


@dataclass(frozen=True)
class Composition:
    """Drawn utterances: the entries each is made of, its label, split and columns."""

    ids: list[str]
    label: list[float]  # rating of the whole, in [-3, 3]
    split: list[str]
    entries: Mapping[str, list[list[int]]]  # per stream
    columns: Mapping[str, list[float]]


def read_rows(data: Path) -> list[RatedClip]:
    """Read CH-SIMS v2 with its official split, ratings times three.

    Raises:
        MsaError: the file is missing or a split is empty.
    """
    path = data / "ch-sims" / "sims_v2s.csv"
    rows = [
        RatedClip(r["id"], r["split"], *(SCORE_LIMIT * float(r[f"label_{m}"]) for m in "TAVM")) for r in open_rows(path)
    ]
    for split in SPLITS:
        if not any(r.split == split for r in rows):
            raise MsaError(f"{path} has no {split!r} rows. Use sims_v2s.csv with its official split.")
    return rows


def compose(rows: Sequence[RatedClip], pools: Pools, recipe: CompositionConfig) -> Composition:
    """Draw the pieces of every utterance; each depends on (seed, row, draw) only.

    Args:
        rows: ratings.
        pools: pieces by rating and split.
        recipe: how many and how near.
    """
    entries: dict[str, list[list[int]]] = {s: [] for s in ("text", "audio", "vision", "simulated")}
    names = ("row", "draw", "rating_text", "rating_audio", "rating_vision", "speaker", "text_piece", "decorrelated")
    columns: dict[str, list[float]] = {name: [] for name in names}
    done = Composition([], [], [], entries, columns)
    hardly_correlated = decorrelated(rows)
    speakers = {s: i for i, s in enumerate(sorted(set(pools.voices.source.tolist())))}
    drawers = {split: _Drawer(pools, split, recipe) for split in SPLITS}
    for number, row in enumerate(rows):
        for k in range(recipe.draws[SPLITS.index(row.split)]):
            rng = generator("composite", recipe.seed, row.id, k)
            drawer = drawers[row.split]
            text, voice = drawer.text(row.text, rng), drawer.voice(row.audio, rng)
            done.ids.append(f"{row.id}-{k}")
            done.label.append(row.whole)
            done.split.append(row.split)
            entries["text"].append([drawer.wording(text, rng)])
            entries["simulated"].append(pools.simulated.versions[text].tolist())
            entries["audio"].append([int(rng.choice(pools.voices.versions[voice]))])
            entries["vision"].append(drawer.track(row.vision, rng))
            speaker = speakers[str(pools.voices.source[voice])]
            facts = (number, k, row.text, row.audio, row.vision, speaker, text, row.id in hardly_correlated)
            for name, value in zip(names, facts, strict=True):
                columns[name].append(float(value))
    return done


class _Drawer:
    """Random draw of pieces of one split."""

    def __init__(self, pools: Pools, split: str, recipe: CompositionConfig) -> None:
        self.pools, self.split, self.recipe = pools, split, recipe
        self.texts, self.voices = pools.texts.pieces(split), pools.voices.pieces(split)
        self.spoken = np.array([t for t in self.texts if len(pools.simulated.versions[t])])
        faces = pools.faces.pieces(split)
        self.families = [faces[np.isin(pools.faces.kind[faces], (*SHARED, f))] for f in FAMILIES]
        n_faces = np.array([np.isin(pools.faces.kind[faces], f).sum() for f in FAMILIES], float)
        if not len(self.spoken) or not len(self.voices) or n_faces.sum() == 0:
            raise MsaError(f"The pools have too few {split!r} pieces. Use the complete corpora.")
        self.shares = np.sqrt(n_faces) / np.sqrt(n_faces).sum()

    def text(self, rating: float, rng: np.random.Generator) -> int:
        """Draw a text among the nearest in rating, ties in random order."""
        spoken = self.split != "train" or rng.random() < self.recipe.spoken_share
        texts = self.spoken if spoken else self.texts
        if abs(rating) < NEUTRAL and rng.random() < self.recipe.short_share:
            short = texts[self.pools.texts.kind[texts] == SHORT]
            texts = short if len(short) else texts
        distance = np.abs(self.pools.texts.rating[texts] - rating) + 1e-6 * rng.random(len(texts))
        n = min(len(texts), max(20, round(self.recipe.text_share * len(texts))))
        return int(texts[rng.choice(np.argpartition(distance, n - 1)[:n])])

    def wording(self, text: int, rng: np.random.Generator) -> int:
        """Draw the entry of a text: as written, or in training sometimes as it was heard."""
        versions = self.pools.texts.versions[text]
        heard = self.split == "train" and rng.random() < self.recipe.misheard_share
        return int(versions[-1] if heard else versions[0])

    def voice(self, rating: float, rng: np.random.Generator) -> int:
        """Draw a clip whose emotion has a rating near `rating`, or the nearest there is."""
        distance = np.abs(self.pools.voices.rating[self.voices] - rating)
        near = self.voices[distance <= max(self.recipe.voice_tolerance, float(distance.min())) + 1e-6]
        weight = np.where(self.pools.voices.kind[near] == BROADCAST, self.recipe.broadcast_weight, 1.0)
        return int(rng.choice(near, p=weight / weight.sum()))

    def track(self, rating: float, rng: np.random.Generator) -> list[int]:
        """Draw the entries of a face track: faces of one family of emotions around a valence, each held for a while."""
        recipe, faces = self.recipe, self.pools.faces
        members = self.families[int(rng.choice(len(FAMILIES), p=self.shares))]
        centre = valence_of(rating) + rng.normal(0, recipe.face_offset)
        spread = rng.uniform(*recipe.face_spread)
        # a few faces near valences around the centre, each held for some frames
        frames: list[int] = []
        for valence in rng.normal(centre, spread, int(rng.integers(recipe.n_faces[0], recipe.n_faces[1] + 1))):
            place = int(np.searchsorted(faces.rating[members], valence))
            first = min(max(0, place - recipe.face_choice // 2), max(0, len(members) - recipe.face_choice))
            face = int(rng.choice(members[first : first + recipe.face_choice]))
            frames += rng.choice(faces.versions[face], size=int(rng.integers(1, recipe.hold + 1))).tolist()
        # sometimes no face is seen for at most half of the track
        if rng.random() < recipe.gap_share:
            first, length = int(rng.integers(len(frames))), int(rng.integers(1, len(frames) // 2 + 1))
            frames[first : first + length] = [self.pools.gap] * len(frames[first : first + length])
        return [int(f) for f in frames]


def valence_of(rating: float) -> float:
    """Convert a sentiment rating in [-3, 3] to FER+ valence.

    +3 is all votes for happiness, -3 mostly anger or disgust.
    """
    return rating * (2.0 if rating > 0 else 2.4) / SCORE_LIMIT


def decorrelated(rows: Sequence[RatedClip], limit: float = 0.05, fewest: int = 150) -> set[str]:
    """Choose test rows among which text, audio and vision ratings hardly correlate; return their ids.

    Rows are removed one by one, each time the one whose removal lowers the sum of squared correlations most, until
    every |r| is below `limit` or `fewest` are left. Sorted input, no randomness.
    """
    test = [r for r in rows if r.split == "test"]
    x = np.array([[r.text, r.audio, r.vision] for r in test]).reshape(-1, 3)
    left = np.ones(len(x), bool)
    pairs = ((0, 1), (0, 2), (1, 2))
    while left.sum() > fewest:
        r = np.corrcoef(x[left].T)
        if max(abs(r[i, j]) for i, j in pairs) < limit:
            break
        # sums, squares and products of the rows left, without each row in turn
        sums, squares = x[left].sum(0) - x, (x[left] ** 2).sum(0) - x**2
        n, cost = left.sum() - 1, np.zeros(len(x))
        variance = np.maximum(squares - sums**2 / n, 1e-9)
        # squared correlation of every pair, summed
        for i, j in pairs:
            product = (x[left, i] * x[left, j]).sum() - x[:, i] * x[:, j]
            cost += (product - sums[:, i] * sums[:, j] / n) ** 2 / (variance[:, i] * variance[:, j])
        # remove the row whose absence costs least
        left[np.argmin(np.where(left, cost, np.inf))] = False
    return {row.id for row, kept in zip(test, left, strict=True) if kept}


def build(
    data: Path,
    out: Path,
    seed: int = 0,
    draws: tuple[int, ...] = (6, 3, 5),
    progress: CountProgress = quiet,
    jobs: int = 1,
) -> Corpus:
    """Build the corpus from the research data below `data` and store it in folder `out`.

    Features are cached beside `out` (`<out>.cache`, `voices.cache`), so that a rebuild, or one with another recipe, is
    quick.

    Args:
        draws: utterances per CH-SIMS row in train, valid, test.
        progress: called with (what, done, of).
        jobs: number of processes that listen to the sentences.

    Raises:
        MsaError: data, a synthesiser or a checkpoint of the feature extractors is missing.
    """
    recipe = CompositionConfig(seed=seed, draws=draws)
    rows = read_rows(data)
    ratings = {s: [r.text for r in rows if r.split == s] for s in SPLITS}
    pools = build_pools(data, ratings, cache_of(out), voices_of(out), progress, jobs)
    progress("composing", 0, 1)
    corpus = assemble(compose(rows, pools, recipe), pools, recipe)
    corpus.save(out)
    return Corpus.load(out)


def voices_of(out: Path) -> Path:
    """Return the folder of encoded voices beside corpus folder `out`: corpora share it with the voice networks."""
    return out.with_name("voices.cache")


def cache_of(out: Path) -> Path:
    """Return the folder of cached features beside corpus folder `out`."""
    return out.with_name(f"{out.name}.cache")


def assemble(drawn: Composition, pools: Pools, recipe: CompositionConfig) -> Corpus:
    """Build a Corpus with its manifest from drawn utterances and pool features."""
    return Corpus(
        name=NAME,
        feature_set=COMPACT.id,
        ids=np.array(drawn.ids),
        label=np.array(drawn.label, np.float32),
        split=np.array(drawn.split),
        pools=pools.features(),
        index={stream: Ragged.of(lists, np.int64) for stream, lists in drawn.entries.items()},
        columns={name: np.array(values) for name, values in drawn.columns.items()},
        manifest=_manifest(drawn, pools, recipe),
    )


def _manifest(drawn: Composition, pools: Pools, recipe: CompositionConfig) -> dict[str, Any]:
    """Collect sources, counts, recipe and licences."""
    split = np.array(drawn.split)

    def pieces(pool: Pool) -> dict[str, int]:
        return {s: int((pool.split == s).sum()) for s in SPLITS}

    return {
        "statement": STATEMENT,
        "recipe": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(recipe).items()},
        "utterances": {s: int((split == s).sum()) for s in SPLITS},
        "pieces": {"text": pieces(pools.texts), "audio": pieces(pools.voices), "vision": pieces(pools.faces)},
        "speakers": {s: sorted(set(pools.voices.source[pools.voices.split == s].tolist())) for s in SPLITS},
        "simulated_text": dict(pools.facts),
        "sources": SOURCES,
    }
