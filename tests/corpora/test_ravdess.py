"""RAVDESS voice + face: real pairs, actors apart, text absent, twins left out, bad files named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msa_core.corpora import ravdess
from msa_core.corpora.corpus import Corpus
from msa_core.errors import MsaError
from msa_core.feature_training.voice import VoicePool
from msa_core.feature_training.voice_clips import SPLIT_SPEAKERS, VoiceClip
from msa_core.features import COMPACT
from msa_core.features.voice import EMOTIONS

X = Path("x")
ACTORS = ("01", "02", "03", "07")  # two train, one valid, one test


def voices() -> VoicePool:
    """Two emotions of every actor, clean and in one other recording; the twin of actor 07; one clip of URDU."""
    clips = [
        VoiceClip(f"ravdess-03-01-{code}-01-01-01-{a}", X, "ravdess", f"ravdess-{a}", EMOTIONS[int(code) - 1], False)
        for a in ACTORS
        for code in ("03", "05")
    ]
    clips.append(VoiceClip(ravdess.TWIN, X, "ravdess", "ravdess-07", "happy", False))
    clips.append(VoiceClip("urdu-SM1_F1_A1", X, "urdu", "urdu-SM1", "angry", None))
    rng = np.random.default_rng(0)
    rows = [(i, v) for i in range(len(clips)) for v in (0, 1)]
    values = tuple(rng.normal(size=(3 + i, COMPACT.audio_dim)).astype(np.float16) for i, _ in rows)
    return VoicePool(tuple(clips), values, np.array([i for i, _ in rows]), np.array([v for _, v in rows]))


def faces(pool: VoicePool) -> dict[str, np.ndarray]:
    return {c.id.removeprefix("ravdess-"): np.full(35, k, np.float32) for k, c in enumerate(pool.clips)}


def test_every_voice_has_its_own_face_and_no_text() -> None:
    pool = voices()
    corpus = ravdess.assemble(pool, faces(pool))
    assert corpus.ids.tolist() == [
        *(f"ravdess-03-01-{code}-01-01-01-{a}-{v}" for a in ("01", "02") for code in ("03", "05") for v in (0, 1)),
        *(f"ravdess-03-01-{code}-01-01-01-{a}-0" for a in ("03", "07") for code in ("03", "05")),
    ]  # training clips in every recording, the others clean; neither the twin nor URDU
    batch = corpus.batch(np.arange(len(corpus)))
    assert (batch.present.numpy() == [False, True, True]).all()
    number = {c.id: k for k, c in enumerate(pool.clips)}
    for row, name in enumerate(corpus.ids):
        k, version = number[name[:-2]], int(name[-1])
        assert (batch.features["vision"][row, 0] == k).all()
        heard = batch.features["audio"][row, batch.valid["audio"][row]].numpy()
        assert np.array_equal(heard.astype(np.float16), pool.values[2 * k + version])
        assert corpus.label[row] == pool.clips[k].score and corpus.split[row] == pool.clips[k].split
    assert set(corpus.manifest["speakers"]["test"]) == {"ravdess-07"} <= set(SPLIT_SPEAKERS["test"])


def test_it_is_stored_and_read(tmp_path: Path) -> None:
    pool = voices()
    ravdess.assemble(pool, faces(pool)).save(tmp_path / "r")
    read = Corpus.load(tmp_path / "r", ravdess.FEATURE_SET)
    assert read.dims == {"text": 1, "audio": COMPACT.audio_dim, "vision": 35, "simulated": 1}
    with pytest.raises(MsaError, match="is needed"):
        Corpus.load(tmp_path / "r", COMPACT.id)


def test_a_clip_without_a_face_is_refused() -> None:
    pool = voices()
    some = faces(pool)
    del some["03-01-05-01-01-01-03"]
    with pytest.raises(MsaError, match="ravdess-03-01-05-01-01-01-03 has no action units"):
        ravdess.assemble(pool, some)


def test_action_units_are_read_by_the_name_of_the_sound(tmp_path: Path) -> None:
    with pytest.raises(MsaError, match="openface_au_means.csv is missing"):
        ravdess.action_units(tmp_path)
    (tmp_path / "ravdess").mkdir()
    file = tmp_path / "ravdess" / "openface_au_means.csv"
    names = [f"AU{i:02d}_r" for i in range(17)] + [f"AU{i:02d}_c" for i in range(18)]
    values = ";".join(str(i) for i in range(35))
    file.write_text(";".join([*names, "name"]) + f"\n{values};01-01-08-02-01-02-22\n")
    found = ravdess.action_units(tmp_path)
    assert list(found) == ["03-01-08-02-01-02-22"] and sorted(found["03-01-08-02-01-02-22"]) == list(range(35))
    for bad in (f"{values};01-01-08-02-01-02-22\n".replace("34", "x"), "1;2\n"):
        file.write_text(";".join([*names, "name"]) + "\n" + bad)
        with pytest.raises(MsaError, match="line 2: give 35 numbers and a name"):
            ravdess.action_units(tmp_path)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(MsaError, match="is not UTF-8 text"):
        ravdess.action_units(tmp_path)
    file.write_text("AU01_r;name\n1;x\n")
    with pytest.raises(MsaError, match="has 1 action units; give the 35"):
        ravdess.action_units(tmp_path)
