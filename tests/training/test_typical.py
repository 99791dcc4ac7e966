"""Choice of the typical training: by its answers to real clips, by validation where there are too few of them."""

import json
import shutil

import numpy as np
import pytest
from synthetic import corpus

from msa_core import checkpoint
from msa_core.config import shipped
from msa_core.errors import MediaError
from msa_core.features import COMPACT
from msa_core.methods import METHODS
from msa_core.training import typical
from msa_core.training.loop import TrainConfig, fit

EXAMPLES = shipped("examples")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three trainings of one setting; the last has learned nothing."""
    out, some = tmp_path_factory.mktemp("runs"), corpus(150, dims=dict(COMPACT.dims))
    loops = [TrainConfig(epochs=2, seed=0), TrainConfig(epochs=2, seed=1), TrainConfig(epochs=1, lr=1e-9, seed=2)]
    config = METHODS["baseline"].Config.debug()
    return [fit("baseline", some, out / f"seed{loop.seed}", loop, config) for loop in loops]


def one_clip(tmp_path, name):
    """A folder with a shipped clip and its stored features."""
    (tmp_path / "features").mkdir()
    shutil.copy(EXAMPLES / name, tmp_path)
    shutil.copy(EXAMPLES / "features" / f"{name}.npz", tmp_path / "features")
    return tmp_path


def test_distances_are_those_from_the_mean_of_the_others():
    scores = np.array([[1.0, -1.0], [2.0, 0.0], [3.0, 4.0]])
    # mean of the others: (2.5, 2.0), (2.0, 1.5), (1.5, -0.5)
    assert typical.distances(scores) == pytest.approx([(1.5 + 3.0) / 2, (0.0 + 1.5) / 2, (1.5 + 4.5) / 2])


def test_a_clip_is_read_under_every_pattern_that_it_can_have(tmp_path):
    batch = typical.every_pattern(one_clip(tmp_path, "jfk.flac"))
    assert batch.ids == ("jfk.flac",) * 3  # text, audio and both: there is no face
    assert batch.present.tolist() == [[True, False, False], [False, True, False], [True, True, False]]


def test_features_that_are_not_there_are_extracted(tmp_path):
    shutil.copy(EXAMPLES / "grid_bbaf2n.mp4", tmp_path)
    assert len(typical.every_pattern(tmp_path)) == 7


def test_a_folder_without_clips_is_a_sentence(tmp_path):
    with pytest.raises(MediaError, match="There is no clip in the folder"):
        typical.every_pattern(tmp_path)


def test_the_answers_decide_not_the_validation_error(runs, monkeypatch):
    scores = dict(zip(runs, np.array([[0.0, 1.0], [0.2, 1.1], [3.0, -3.0]]), strict=True))
    monkeypatch.setattr(typical, "_scores", lambda run, batch: scores[run])
    assert typical.typical(runs, None) == runs[1]  # 1.50 from the others' mean; the first 1.63, the last 4.05


def test_every_training_is_asked(runs, tmp_path):
    batch = typical.every_pattern(one_clip(tmp_path, "crema_sad.mp4"))
    found = np.stack([typical._scores(run, batch) for run in runs])
    assert found.shape == (3, 7) and np.isfinite(found).all()
    assert typical.typical(runs, batch) == runs[typical.distances(found).argmin()]


def test_of_two_trainings_validation_decides(runs):
    errors = [json.loads((run / checkpoint.MANIFEST).read_text())["selection"]["valid_mae"] for run in runs[:2]]
    assert typical.typical(runs[:2], None) == runs[int(np.argmin(errors))]
