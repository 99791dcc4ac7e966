"""openai-whisper without numba, until something calls what numba compiles."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from msa_core.features import openai_whisper, speech, transcribed, translation, weights
assert "numba" not in sys.modules
import numpy as np
from whisper import timing
first = timing.dtw_cpu
x = np.array([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0], [2.0, 2.0, 0.0]])
path = timing.dtw_cpu(x)
assert path.tolist() == [[0, 1, 2], [0, 1, 2]], path
import numba
assert numba.__version__ and timing.dtw_cpu is not first and first(x).tolist() == path.tolist()
"""


def test_numba_is_loaded_by_the_call_that_needs_it_and_then_is_itself() -> None:
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_numba_that_is_there_already_is_used() -> None:
    code = "import numba; from msa_core.features import openai_whisper; from whisper import timing; "
    code += "assert hasattr(timing.dtw_cpu, 'py_func')"  # compiled by numba itself
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
