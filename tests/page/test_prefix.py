"""The page behind a proxy that serves it below a path and strips it: no address of ours begins at the root."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from msa_core import prepared
from msa_core.i18n import STATIC
from msa_core.page.build import build, launch

FROM_THE_ROOT = re.compile(r"""\b(src|href|action|poster)=\\?["']/|\b(fetch|import)\(["'`]/|url\(["']?/""")


def test_no_address_begins_at_the_root(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(prepared, "utterance", lambda clip: None)  # nothing to answer on arrival
    analyser: Any = SimpleNamespace(methods=("sdumc",), extract=None, reads_simulated_text=lambda _: True)
    page = build(analyser)
    options = {"prevent_thread_lock": True, "quiet": True, "server_name": "127.0.0.1", "root_path": "/lab"}
    _, url, _ = launch(page, **options)
    try:
        config = httpx.get(f"{url}config", follow_redirects=True).json()
    finally:
        page.close()
    assert config["root"].endswith("/lab")
    ours = json.dumps([c["props"].get("value") for c in config["components"]])
    assert not FROM_THE_ROOT.search(ours)
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        assert not FROM_THE_ROOT.search(path.read_text(encoding="utf-8")), path.name
