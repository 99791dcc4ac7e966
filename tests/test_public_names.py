"""The package: public names without the cost of torch until one is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import msa_core

HEAVY = ("torch", "cv2", "av", "whisper", "transformers", "gradio")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, msa_core; print([m for m in {HEAVY} if m in sys.modules])"
    code += "; msa_core.MsaError; dir(msa_core); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"], done


@pytest.mark.slow
def test_the_page_imports_only_what_it_uses_at_its_start() -> None:
    code = (
        "import sys, msa_core.page.build; print([m for m in ('scipy.stats', 'sklearn', 'librosa') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[]", done


def test_public_names_are_those_of_their_modules() -> None:
    assert set(msa_core.__all__) == set(msa_core._HOME) <= set(dir(msa_core))
    for name, home in msa_core._HOME.items():
        __import__(f"msa_core.{home}")
        assert getattr(msa_core, name) is getattr(sys.modules[f"msa_core.{home}"], name)


def test_modules_of_the_line_stay_modules() -> None:
    from msa_core import compare, edit, missing, predict

    assert all(type(m).__name__ == "module" for m in (compare, edit, missing, predict))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        msa_core.nonsense  # noqa: B018
