"""Folders read by a large feature set: any number of processes, the same features, and machines with other models."""

import json
import shutil
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import variants

from msa_core.cli.many.large_work import large_extraction
from msa_core.cli.many.run import Place, run
from msa_core.errors import MsaError
from msa_core.features import store


@pytest.fixture
def args(tiny_model, tmp_path):
    """Options of `extract` with a set of tiny models."""
    path = tmp_path / "set.json"
    models = {"speech": "wavlm", "text": "roberta", "vision": "vit"}
    parts = {part: {"model": str(tiny_model(name))} for part, name in models.items()}
    path.write_text(json.dumps({"name": "tiny", **parts}))
    return Namespace(features=str(path), dtype=None, device="cpu", cache=None, any_language=False)


def test_machines_with_other_models_and_a_folder_of_another_set_are_refused(args, tmp_path, tiny_model):
    (tmp_path / "clips").mkdir()
    shutil.copy(variants.REAL, tmp_path / "clips" / "a.mp4")
    task = large_extraction(args, tmp_path / "clips", tmp_path / "out")
    assert task.feature_set.id.startswith("large-tiny-") and task.settings["features"][0] == task.feature_set.id
    other = replace(task, feature_set=replace(task.feature_set, id="large-tiny-00000000-20-16-12"))
    with pytest.raises(MsaError, match="the run needs 'large-tiny-00000000-20-16-12'. Give all machines the same."):
        run(other, tmp_path / "clips", tmp_path / "out" / "clips.csv")


@pytest.mark.slow
def test_two_processes_give_the_features_of_one(args, tmp_path):
    source = tmp_path / "clips"
    source.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(variants.REAL, source / name)
    (source / "c.mp4").write_text("text")
    one, two = (large_extraction(args, source, tmp_path / name) for name in ("one", "two"))
    found = run(one, source, tmp_path / "one" / "clips.csv", renew=True)
    assert list(found.bad) == ["c.mp4"]
    assert run(two, source, tmp_path / "two" / "clips.csv", Place(2), renew=True).bad == found.bad
    for name in ("a.mp4", "b.mp4"):
        first, second = (store.load(task.target(name)) for task in (one, two))
        assert first.feature_set == second.feature_set == one.feature_set.id
        for stream in ("text", "audio", "vision"):
            assert np.array_equal(first.stream(stream).values, second.stream(stream).values)
    assert run(one, source, tmp_path / "one" / "clips.csv", renew=True).worked_on == 0
