"""One clip in many containers, codecs, layouts, tracks, start times, B-frames, sizes and rotations is read the same."""

from __future__ import annotations

import media_table
import pytest

CASES = media_table.cases()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_variant_equals_the_original(tmp_path, name):
    row = media_table.measured(CASES[name], tmp_path / name)
    beyond = {key: value for key, value in row.items() if abs(value) > media_table.TOLERANCE[key]}
    assert not beyond, row
