from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from msa_core import checkpoint
from msa_core.errors import FeatureError, MsaError
from msa_core.feature_training import voice as voice_training
from msa_core.feature_training import voice_augmentation, voice_clips
from msa_core.feature_training.voice_clips import SAMPLE_RATE_HZ, SPLIT_SPEAKERS, VoiceClip
from msa_core.feature_training.voice_recordings import EncodedVoices
from msa_core.features import COMPACT, voice
from msa_core.features.voice import EMOTIONS, FRAME_DIM, VoiceConfig, VoiceNetwork

TINY = VoiceConfig(n_networks=3, width=8)


def some_frames(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, FRAME_DIM)).astype(np.float32)


def some_network(seed: int = 0) -> VoiceNetwork:
    torch.manual_seed(seed)
    return VoiceNetwork(TINY).eval()


def a_voice(seconds: float = 1.5, hz: float = 180.0) -> np.ndarray:
    """A buzz with a slow swell between two pauses."""
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    buzz = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 8)) * (1 + np.sin(2 * np.pi * 3 * t)) * 0.05
    return np.pad(buzz, SAMPLE_RATE_HZ // 4).astype(np.float32)


@pytest.fixture(scope="module")
def shipped() -> VoiceNetwork:
    return voice.load()


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_a_stream_has_frames_probabilities_and_score(n: int) -> None:
    frames, times = some_frames(n), np.arange(n) / 10
    stream = voice.audio_stream(some_network(), frames, times)
    assert stream.values is not None and stream.values.shape == (n, COMPACT.audio_dim)
    assert stream.values.dtype == np.float32 and np.isfinite(stream.values).all()
    assert np.array_equal(stream.values[:, :FRAME_DIM], frames)
    told, score = stream.values[:, FRAME_DIM:-1], stream.values[:, -1]
    assert (told >= 0).all() and (told.sum(1) <= 1 + 1e-5).all()
    assert (np.abs(score) <= 3 * told.sum(1) + 1e-5).all()  # a frame that tells nothing has no score
    probabilities, clip_score = voice.reading(stream.values)
    assert probabilities.sum() == pytest.approx(1) and abs(clip_score) <= 3


def test_no_frames_is_an_absent_stream_with_a_reason() -> None:
    stream = voice.audio_stream(some_network(), np.zeros((0, FRAME_DIM), np.float32), np.zeros(0))
    assert not stream.present and stream.reason
    assert voice.reading(np.zeros((4, 9)))[1] == 0.0


def test_wrong_or_broken_frames_are_refused() -> None:
    with pytest.raises(FeatureError, match=r"\(5, 80\).*384"):
        voice.read_frames(some_network(), np.zeros((5, 80), np.float32))
    broken = some_frames(5)
    broken[2, 3] = np.nan
    with pytest.raises(FeatureError, match="NaN"):
        voice.read_frames(some_network(), broken)


def test_a_frame_depends_on_its_neighbourhood_only() -> None:
    network, frames = some_network(), some_frames(80)
    before = voice.read_frames(network, frames)
    changed = frames.copy()
    changed[40] += 5.0
    far = np.abs(voice.read_frames(network, changed) - before).max(1) > 1e-6
    reach = TINY.reach
    assert reach <= 6  # 0.6 s at 10 Hz
    assert far[40] and not far[: 40 - reach].any() and not far[41 + reach :].any()


def test_a_batch_reads_like_single_clips_whatever_the_padding_holds() -> None:
    network, clips = some_network(), [some_frames(n, n) for n in (3, 12, 30)]
    frames = torch.full((3, 30, FRAME_DIM), 1e6)
    frames[0, 3:6] = float("nan")
    valid = torch.zeros(3, 30, dtype=torch.bool)
    for k, clip in enumerate(clips):
        frames[k, : len(clip)], valid[k, : len(clip)] = torch.from_numpy(clip), True
    with torch.no_grad():
        together = voice.evidence(*network(frames, valid)).mean(0).numpy()
    for k, clip in enumerate(clips):
        assert np.allclose(together[k, : len(clip)], voice.read_frames(network, clip), atol=1e-5)


def test_networks_of_an_ensemble_do_not_mix() -> None:
    network, frames = some_network(), torch.from_numpy(some_frames(20))[None]
    valid = torch.ones(1, 20, dtype=torch.bool)
    with torch.no_grad():
        before = voice.evidence(*network(frames, valid))
        network.blocks[0].weight[: TINY.width] += 1.0  # of the first network
        after = voice.evidence(*network(frames, valid))
    assert not torch.allclose(before[0], after[0]) and torch.equal(before[1:], after[1:])


def test_the_shipped_checkpoint_gives_its_recorded_answer(shipped: VoiceNetwork) -> None:
    golden, manifest = checkpoint.read(voice.CHECKPOINT, checkpoint.GOLDEN)
    assert np.allclose(voice.read_frames(shipped, golden["frames"].numpy()), golden["values"].numpy(), atol=1e-4)
    assert manifest["emotions"] == list(EMOTIONS)
    assert shipped.config.reach <= 6 and voice.CHECKPOINT in COMPACT.extractors


def test_the_shipped_networks_never_heard_the_speakers_they_are_judged_on() -> None:
    manifest = checkpoint.read_manifest(voice.CHECKPOINT)
    speakers = {split: set(names) for split, names in manifest["speakers"].items()}
    assert all(names <= set(SPLIT_SPEAKERS[split]) for split, names in speakers.items())
    train, judged = speakers["train"], speakers["valid"] | speakers["test"]
    times_held_out = Counter(name for names in manifest["held_out"] for name in names)
    assert set(times_held_out) == train and len(set(times_held_out.values())) == 1
    for speaker in train:
        use = voice_training.networks_for(speaker, manifest["held_out"])
        assert 0 < use.sum() < len(use)
        assert all(speaker in manifest["held_out"][k] for k in np.flatnonzero(use))
    for speaker in judged:
        assert voice_training.networks_for(speaker, manifest["held_out"]).all()


def test_the_shipped_networks_keep_their_quality_on_unheard_actors() -> None:
    metrics = checkpoint.read_manifest(voice.CHECKPOINT)["metrics"]
    for split in ("train", "valid", "test"):  # train: out of fold
        assert metrics[f"{split}_ravdess_clean"]["r"] >= 0.72
        assert metrics[f"{split}_ravdess_clean"]["mae"] <= 0.78


def test_splits_share_no_speaker_and_balance_men_and_women() -> None:
    names = [name for split in SPLIT_SPEAKERS.values() for name in split]
    assert len(names) == len(set(names)) == 24 + 29 + 9 + 10
    for speakers in SPLIT_SPEAKERS.values():
        actors = [int(s.removeprefix("ravdess-")) for s in speakers if s.startswith("ravdess")]
        assert sum(a % 2 for a in actors) * 2 == len(actors)
    with pytest.raises(MsaError, match="nobody"):
        voice_clips.split_of("nobody")


def test_file_names_become_labels(tmp_path: Path) -> None:
    for name in ("ravdess/Actor_07/03-01-05-02-01-01-07.wav", "urdu/Sad/SF2_F1_S05.wav", "nemo/EB0_anger_7.opus"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    angry, sad = voice_clips.clips(tmp_path)
    assert (angry.speaker, angry.emotion, angry.score, angry.split) == ("ravdess-07", "angry", -3.0, "test")
    assert (sad.speaker, sad.emotion, sad.score, sad.strong) == ("urdu-SF2", "sad", -2.0, None)
    (polish,) = voice_clips.clips(tmp_path, ("nemo",))
    assert (polish.speaker, polish.emotion, polish.score, polish.split) == ("nemo-EB0", "angry", -2.5, "test")
    with pytest.raises(MsaError, match="RAVDESS"):
        voice_clips.clips(tmp_path / "urdu")


def test_folds_never_divide_a_speaker() -> None:
    speakers = [f"ravdess-{k:02d}" for k in range(1, 17) for _ in range(6)] + ["urdu-A"] * 40 + ["urdu-B"] * 3
    seen = []
    for seed in range(3):
        folds = voice_training.speaker_folds(speakers, 5, seed)
        assert all(len({f for f, s in zip(folds, speakers, strict=True) if s == name}) == 1 for name in set(speakers))
        counts = np.bincount(folds[:96], minlength=5)
        assert counts.min() >= 18 and counts.max() <= 24  # 3 or 4 actors
        seen.append(tuple(folds))
    assert len(set(seen)) == 3
    assert np.array_equal(voice_training.speaker_folds(speakers, 5, 1), seen[1])


def test_augmentation_depends_on_its_seed_only() -> None:
    sound, babble = a_voice(), [a_voice(0.7, 120.0), a_voice(2.0, 240.0)]
    once = [voice_augmentation.augment(sound, ("clip", v), babble) for v in range(12)]
    np.random.seed(5)
    again = [voice_augmentation.augment(sound, ("clip", v), babble) for v in range(12)]
    for v, (a, b) in enumerate(zip(once, again, strict=True)):
        assert np.array_equal(a, b) and a.dtype == np.float32
        assert np.isfinite(a).all() and np.abs(a).max() <= 1 and a.std() > 1e-4, v
        assert 0.5 <= len(a) / SAMPLE_RATE_HZ <= 2.6
    assert len({a.tobytes() for a in once}) == 12


@pytest.mark.parametrize("played", [voice_augmentation._music, voice_augmentation._audience])
def test_music_and_audiences_last_as_long_as_asked_and_differ(played) -> None:
    sounds = [played(n, np.random.default_rng(n)) for n in (400, 16_000, 40_000) for _ in range(3)]
    assert [len(s) for s in sounds] == [n for n in (400, 16_000, 40_000) for _ in range(3)]
    assert all(np.isfinite(s).all() for s in sounds) and min(s.std() for s in sounds[3:]) > 0.05
    assert not np.allclose(played(16_000, np.random.default_rng(1)), played(16_000, np.random.default_rng(2)))


def test_only_a_stage_has_music_and_audiences() -> None:
    sound = a_voice()
    changed = [
        not np.array_equal(
            voice_augmentation.augment(sound, ("clip", v)), voice_augmentation.augment(sound, ("clip", v), stage=True)
        )
        for v in range(20)
    ]
    assert any(changed)


@pytest.mark.parametrize("sound", [np.zeros(SAMPLE_RATE_HZ), np.ones(3000) * 0.5, a_voice(0.1)])
def test_augmentation_of_odd_sounds_is_finite(sound: np.ndarray) -> None:
    for version in range(20):
        assert np.isfinite(voice_augmentation.augment(sound.astype(np.float32), ("odd", version))).all()


def test_stretch_keeps_the_pitch_and_pitch_keeps_the_length() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(32000) / SAMPLE_RATE_HZ)

    def peak_hz(x: np.ndarray) -> float:
        return float(np.abs(np.fft.rfft(x * np.hanning(len(x)))).argmax() * SAMPLE_RATE_HZ / len(x))

    assert np.corrcoef(voice_augmentation.stretch(tone, 1.0), tone)[0, 1] > 0.999
    for rate in (0.85, 1.2):
        slower = voice_augmentation.stretch(tone, rate)
        assert len(slower) == pytest.approx(32000 / rate, abs=2) and peak_hz(slower) == pytest.approx(440, rel=0.01)
    higher = voice_augmentation.change_pitch(tone, 2.0)
    assert len(higher) == pytest.approx(32000, abs=5)
    assert peak_hz(higher) == pytest.approx(440 * 2 ** (2 / 12), rel=0.01)


def a_corpus(n_versions: int = 1) -> EncodedVoices:
    """Two emotions that differ in one direction, spoken by train, valid and test speakers."""
    rng = np.random.default_rng(0)
    speakers = [s for split in ("train", "valid", "test") for s in SPLIT_SPEAKERS[split][:4]]
    clips = tuple(
        VoiceClip(f"{s}-{k}", Path("none"), s.split("-")[0], s, ("happy", "angry")[k % 2], bool(k % 4 < 2))
        for s in speakers
        for k in range(4)
    )
    sign = [1 if c.emotion == "happy" else -1 for c in clips]
    frames = [
        tuple((rng.normal(size=(int(rng.integers(8, 30)), FRAME_DIM)) + 0.5 * s).astype(np.float16) for s in sign)
        for _ in range(n_versions + 1)
    ]
    return EncodedVoices(clips, tuple(frames))


def test_training_learns_and_writes_a_pool_of_unheard_voices(tmp_path: Path) -> None:
    settings = voice_training.VoiceTraining(n_folds=2, n_repeats=2, epochs=6, batch_size=12, crop=12)
    corpus = a_corpus()
    metrics = voice_training.fit_encoded(corpus, tmp_path / "voice", settings, lambda _: None)
    assert metrics["train_ravdess_clean"]["accuracy"] > 0.9 and metrics["test_ravdess_augmented"]["r"] > 0.8
    manifest = checkpoint.read_manifest(tmp_path / "voice")
    assert len(manifest["held_out"]) == 4
    pool = voice_training.voice_pool(corpus, tmp_path / "voice")
    assert len(pool.values) == 2 * len(corpus.clips) and pool.values[0].shape[1] == COMPACT.audio_dim
    network = voice.load(tmp_path / "voice")
    row = next(i for i, c in enumerate(pool.clip_of) if corpus.clips[c].split == "test")
    frames = corpus.frames[pool.version_of[row]][pool.clip_of[row]]
    assert np.allclose(pool.values[row][:, FRAME_DIM:], voice.read_frames(network, frames), atol=2e-3)
    heard = voice.read_frames(network, corpus.frames[0][0])  # a train speaker through all networks differs
    assert not np.allclose(pool.values[0][:, FRAME_DIM:], heard, atol=2e-3)


def test_weights_make_an_unknown_voice_neutral() -> None:
    settings = replace(voice_training.VoiceTraining(), other_weight=1.0)
    acted = [VoiceClip("", Path(), "ravdess", "", e, s) for e in EMOTIONS[1:] for s in (False, True)]
    acted.append(VoiceClip("", Path(), "ravdess", "", "neutral", False))
    weight = voice_training.clip_weights(acted, settings)
    assert abs(np.average([c.score for c in acted], weights=weight)) < 0.25
