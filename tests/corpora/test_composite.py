"""The composite corpus: pieces near their ratings, nothing shared between splits, the same twice."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from paths import DATA

from msa_core.corpora import composite, pools, speech_synthesis, texts
from msa_core.corpora.composite import CompositionConfig, RatedClip
from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.errors import MsaError
from msa_core.feature_training import voice_clips
from msa_core.features import COMPACT, expression

needs_data = pytest.mark.skipif(not (DATA / "ch-sims").is_dir(), reason="research corpora are not on this machine")
SMALL = CompositionConfig(seed=3, draws=(2, 1, 2))
LIMITS = {"text": 0.6, "audio": 0.4}  # how far a drawn piece may be from its rating in the small pools below


def pool(
    width: int, ratings: np.ndarray, kind: np.ndarray | None = None, versions: int = 2, length: int = 3
) -> pools.Pool:
    """Pieces of all splits with random features; half train, a quarter valid, a quarter test."""
    rng = np.random.default_rng(len(ratings) + width)
    n = len(ratings)
    entries = [rng.normal(size=(length, width)) for _ in range(n * versions)]
    split = np.array([("train", "valid", "train", "test")[i % 4] for i in range(n)])
    return pools.Pool(
        features=Ragged.of(entries, np.float16, width),
        versions=[np.arange(i * versions, (i + 1) * versions) for i in range(n)],
        rating=ratings,
        split=split,
        source=np.array([f"unit-{i // 8}-{s}" for i, s in enumerate(split)]),
        kind=np.full(n, -1) if kind is None else kind,
    )


@pytest.fixture(scope="module")
def small() -> pools.Pools:
    rng = np.random.default_rng(0)
    text = pool(COMPACT.text_dim, rng.uniform(-3, 3, 800))
    spoken = pool(COMPACT.text_dim, text.rating, versions=1)
    kind = rng.integers(0, 8, 4000)
    faces = pool(COMPACT.vision_dim, np.array(expression.EMOTION_VALENCES)[kind] + rng.normal(0, 0.2, 4000), kind, 2, 1)
    voice = pool(COMPACT.audio_dim, rng.choice([-3, -2.5, -2, -1.5, 0, 0.3, 0.5, 1.5, 2.5], 400))
    return pools.Pools(text, spoken, voice, faces, len(faces.features) - 1, {"sentences": 800})


@pytest.fixture(scope="module")
def rows() -> list[RatedClip]:
    rng = np.random.default_rng(1)
    found = []
    for i in range(300):
        whole = rng.normal(0, 1.6)
        text, audio, vision = np.clip(np.round((whole + rng.normal(0, 0.9, 3)) / 0.6) * 0.6, -3, 3)
        found.append(RatedClip(f"video_{i:04d}", SPLITS[i % 3], text, audio, vision, float(np.clip(whole, -3, 3))))
    return found


@pytest.mark.slow
def test_same_seed_same_corpus_and_another_seed_another(small: pools.Pools, rows: list[RatedClip]) -> None:
    first, again = composite.compose(rows, small, SMALL), composite.compose(rows, small, SMALL)
    assert first == again
    fewer = composite.compose(rows[:10], small, SMALL)  # an utterance depends on its own row only
    assert fewer.entries["vision"] == first.entries["vision"][: len(fewer.ids)]
    other = composite.compose(rows, small, CompositionConfig(seed=4, draws=(2, 1, 2)))
    assert other.entries["text"] != first.entries["text"] and other.label == first.label


def test_pieces_are_near_their_ratings_and_of_their_split(small: pools.Pools, rows: list[RatedClip]) -> None:
    drawn = composite.compose(rows, small, SMALL)
    assert len(drawn.ids) == 2 * 100 + 100 + 2 * 100
    owner = {name: _owners(p) for name, p in (("text", small.texts), ("audio", small.voices), ("vision", small.faces))}
    means = []
    for i, split in enumerate(drawn.split):
        for name, p in (("text", small.texts), ("audio", small.voices), ("vision", small.faces)):
            pieces = [owner[name][e] for e in drawn.entries[name][i] if name != "vision" or e != small.gap]
            assert {str(p.split[k]) for k in pieces} == {split}
            if name == "vision":
                negative = {int(p.kind[k]) for k in pieces} - set(composite.SHARED)
                assert len(negative) <= 1  # one family of emotions in a track
                means.append((float(p.rating[pieces].mean()), drawn.columns["rating_vision"][i]))
            elif name == "text":
                assert abs(p.rating[pieces[0]] - drawn.columns["rating_text"][i]) < LIMITS["text"]
            else:
                nearest = np.abs(p.rating[p.split == split] - drawn.columns["rating_audio"][i]).min()
                distance = abs(p.rating[pieces[0]] - drawn.columns["rating_audio"][i])
                assert distance <= max(nearest, SMALL.voice_tolerance) + 1e-6
    found, wanted = np.array(means).T
    assert np.corrcoef(found, wanted)[0, 1] > 0.85
    assert abs(np.mean(found - [composite.valence_of(r) for r in wanted])) < 0.2


def test_some_tracks_lose_the_face_but_none_entirely(small: pools.Pools, rows: list[RatedClip]) -> None:
    drawn = composite.compose(rows, small, SMALL)
    gaps = np.array([np.mean([e == small.gap for e in track]) for track in drawn.entries["vision"]])
    assert 0.1 < (gaps > 0).mean() < 0.3 and gaps.max() < 0.9
    assert min(map(len, drawn.entries["vision"])) >= SMALL.n_faces[0]


@pytest.mark.slow
def test_corpus_is_written_and_read_with_equal_hashes(
    tmp_path: Path, small: pools.Pools, rows: list[RatedClip]
) -> None:
    manifests = []
    for name in ("one", "two"):
        built = composite.assemble(composite.compose(rows, small, SMALL), small, SMALL)
        built.save(tmp_path / name)
        manifests.append((tmp_path / name / "manifest.json").read_text())
    assert manifests[0] == manifests[1]
    read = Corpus.load(tmp_path / "one", COMPACT.id)
    assert "pairing is composed" in str(read.manifest["statement"])
    assert read.manifest["utterances"] == {"train": 200, "valid": 100, "test": 200}
    batch = read.batch(read.rows("test")[:5])
    assert batch.features["vision"].shape[-1] == COMPACT.vision_dim and bool(batch.present.all())


@pytest.mark.slow
def test_decorrelated_rows_hardly_correlate_and_are_test_rows(rows: list[RatedClip]) -> None:
    kept = [r for r in rows if r.id in composite.decorrelated(rows, limit=0.1, fewest=20)]
    assert {r.split for r in kept} == {"test"} and len(kept) >= 20
    natural = np.corrcoef([[r.text, r.audio, r.vision] for r in rows], rowvar=False)
    chosen = np.corrcoef([[r.text, r.audio, r.vision] for r in kept], rowvar=False)
    assert np.abs(chosen - np.eye(3)).max() < 0.3 < np.abs(natural - np.eye(3)).max()


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("(umm) I really don’t (stutter) like it", "I really don't like it"),
        ("FEMALE NARRATOR: A title, {laugh} you know", "A title, you know"),
        ("I DIDNT LIKE IT UM AT ALL", "i didn't like it at all"),
        ("youve seen 3 films - uh - all bad", "you've seen 3 films all bad"),
        ("(umm) [inaudible]", ""),
    ],
)
def test_transcripts_are_cleaned(written: str, cleaned: str) -> None:
    assert texts.clean(written) == cleaned


def test_a_sentence_is_kept_in_one_split_only(tmp_path: Path) -> None:
    _write_texts(tmp_path)
    found = texts.read_texts(tmp_path)
    assert [t.split for t in found if t.words == "this is a fine film"] == ["test"]
    assert not any(len(t.words.split()) < 3 for t in found)
    first, more = (texts.choose_texts((t for t in found if t.split == "train"), [-3.0, 0.0, 3.0], n) for n in (6, 12))
    assert more[:6] == first and len({round(t.rating) for t in first}) >= 3


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(MsaError, match="sims_v2s.csv is missing"):
        composite.read_rows(tmp_path)


def test_a_sentence_has_one_voice_and_16_khz(tmp_path: Path) -> None:
    sentences = [f"this film number {i} was quite good" for i in range(400)]
    engines = [speech_synthesis.voice_for(s) for s in sentences]
    assert engines == [speech_synthesis.voice_for(s) for s in sentences]
    assert 0.08 < np.mean([v.engine == "espeak-ng" for v in engines]) < 0.25
    assert len({v.id for v in engines}) >= 8
    if shutil.which("flite") is None or shutil.which("espeak-ng") is None:
        with pytest.raises(MsaError, match="apt-get install"):
            speech_synthesis.require_engines()
        return
    for engine in ("flite", "espeak-ng"):
        sentence = next(s for s, v in zip(sentences, engines, strict=True) if v.engine == engine)
        sound = speech_synthesis.speak(sentence, tmp_path)
        assert sound.dtype == np.int16 and 16_000 < len(sound) < 6 * 16_000 and np.abs(sound.astype(int)).max() > 3000


@pytest.mark.slow
@needs_data
def test_nothing_is_in_two_splits_of_the_real_corpora() -> None:
    found = texts.read_texts(DATA)
    for unit in ("video", "words"):
        splits = defaultdict(set)
        for text in found:
            splits[getattr(text, unit)].add(text.split)
        assert max(map(len, splits.values())) == 1, unit
    speakers = [set(names) for names in voice_clips.SPLIT_SPEAKERS.values()]
    assert not any(a & b for i, a in enumerate(speakers) for b in speakers[:i])
    assert {c.split for c in voice_clips.clips(DATA)} == set(SPLITS)
    faces, _ = expression.ferplus(DATA)
    images = [{i.tobytes() for i in s.images} for s in faces.values()]
    assert not any(a & b for i, a in enumerate(images) for b in images[:i])
    ids = defaultdict(set)
    for row in composite.read_rows(DATA):
        ids[row.id].add(row.split)
    assert max(map(len, ids.values())) == 1 and len(ids) == 4403


@needs_data
def test_the_default_recipe_draws_enough() -> None:
    rows = composite.read_rows(DATA)
    draws = CompositionConfig().draws
    assert sum(draws[SPLITS.index(r.split)] for r in rows) >= 10_000
    assert len(composite.decorrelated(rows)) >= 150


def _owners(p: pools.Pool) -> dict[int, int]:
    return {int(entry): piece for piece, entries in enumerate(p.versions) for entry in entries}


def _write_texts(folder: Path) -> None:
    """MOSI and MOSEI with one sentence in train and test."""
    (folder / "mosi").mkdir()
    (folder / "mosei").mkdir()
    mosi = [["id", "video_id", "text", "label", "std_split"]]
    mosi += [[f"v{i}_1", f"v{i}", f"THE FILM NUMBER {i} WAS SHOWN", str(i % 7 - 3), SPLITS[i % 3]] for i in range(60)]
    mosi += [["a_1", "a", "THIS IS A FINE FILM", "2.0", "train"], ["a_2", "a", "SO SO", "0", "train"]]
    with open(folder / "mosi" / "mosi_utterances.csv", "w", newline="") as f:
        csv.writer(f).writerows(mosi)
    mosei = [
        ["video_id", "clip_id", "text", "label", "mode"],
        ["b", "1_0", "This is a (umm) fine film.", "2.0", "test"],
    ]
    with gzip.open(folder / "mosei" / "mosei_utterances.csv.gz", "wt", newline="") as f:
        csv.writer(f).writerows(mosei)
