"""The scripts of the page: files of `static`, read once."""

from __future__ import annotations

import json
from functools import lru_cache

from msa_core.i18n import LANGUAGES, STATIC


@lru_cache
def script(*names: str) -> str:
    """Read the named files of `static`, joined in this order."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8").strip() for name in names)


def head() -> str:
    """Return what runs before everything else in the browser: `page.js`, after the languages that it may use."""
    return f"<script>window.mmLanguages = {json.dumps(list(LANGUAGES))};\n{script('page')}</script>"
