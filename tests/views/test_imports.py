"""Views are plain HTML, CSV and text: the page's library is not needed for any of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from paths import ROOT

VIEWS = sorted(p.stem for p in (ROOT / "msa_core" / "views").glob("[!_]*.py"))


@pytest.mark.slow
def test_views_never_import_gradio() -> None:
    modules = [f"msa_core.views.{name}" for name in VIEWS]
    code = f"import importlib, sys; [importlib.import_module(m) for m in {modules}]; assert 'gradio' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert len(VIEWS) > 10 and done.returncode == 0, done.stderr
