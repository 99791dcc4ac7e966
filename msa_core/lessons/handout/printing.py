"""Print an HTML page to PDF with an installed Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from msa_core.errors import MsaError

# Debian's headless shell opens a page with two thirds of the work of the browser with windows.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120  # the longest a page may take to print


def chromium() -> str | None:
    """Find the Chromium named by the variable CHROMIUM, or else an installed one."""
    return next((found for found in map(shutil.which, (os.environ.get("CHROMIUM", ""), *NAMES)) if found), None)


def pdf(html: str, browser: str) -> bytes:
    """Print a page without header and footer.

    Raises: MsaError when the browser wrote no PDF.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(html, encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={target}"]
        done = subprocess.run([browser, *flags, source.as_uri()], capture_output=True, text=True, timeout=SECONDS)
        if not target.is_file():
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise MsaError(f"Chromium printed nothing ({last[0]}). Update Chromium, or set CHROMIUM to another one.")
        return target.read_bytes()
