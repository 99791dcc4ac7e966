"""The scripts of the page: files of `static`, read once."""

from __future__ import annotations

import json
from functools import lru_cache

from msa_core import media
from msa_core.i18n import LANGUAGES, STATIC


@lru_cache
def script(*names: str) -> str:
    """Read the named files of `static`, joined in this order."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8").strip() for name in names)


def head() -> str:
    """Return what runs first in the browser: `page.js`, `present.js` and `upload.js`, after what they may use."""
    known = {"mmLanguages": list(LANGUAGES), "mmClips": ",".join(["video/*", "audio/*", *media.SUFFIXES])}
    given = "\n".join(f"window.{name} = {json.dumps(value)};" for name, value in known.items())
    return f"<script>{given}\n{script('page', 'present', 'upload')}</script>"
