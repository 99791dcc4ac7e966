"""One clip in many containers, codecs, layouts, tracks, start times, B-frames, sizes and rotations is read the same."""

from __future__ import annotations

import media_matrix as matrix
import media_table
import numpy as np
import pytest
import variants

CASES = media_table.cases()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_variant_equals_the_original(tmp_path, name):
    row = media_table.measured(CASES[name], tmp_path / name)
    beyond = {key: value for key, value in row.items() if abs(value) > media_table.TOLERANCE[key]}
    assert not beyond, row


@pytest.mark.slow
def test_words_and_faces_of_late_fragments_are_at_their_times(tmp_path, analyser):
    path = matrix.fragmented(tmp_path / "a.mp4", 5.0, images_from_s=0.6)
    mine, original = (analyser.extract(p) for p in (path, variants.REAL))
    assert mine.transcript == original.transcript and len(mine.words) == len(original.words) > 3
    times = [[(w.start_s, w.end_s) for w in u.words] for u in (mine, original)]
    np.testing.assert_allclose(*times, atol=0.1)
    faces = original.vision.times_s[original.vision.times_s > 0.59]
    np.testing.assert_allclose(mine.vision.times_s, faces, atol=0.1)
