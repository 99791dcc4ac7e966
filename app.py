"""The page of the Missing-Modality Lab: `python app.py` opens it."""

from __future__ import annotations

import argparse
import gc
import os
from contextlib import suppress

from msa_core.page import folders, memory

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, epilog="GRADIO_SERVER_PORT=8000 sets the port.").parse_args()
    gc.disable()  # until the page is built: all that is imported stays, and searching it took a sixth of the start
folders.ensure()
memory.limit_heaps()
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
with suppress(ImportError):
    import spaces  # noqa: F401  Hugging Face ZeroGPU; must come before torch

from msa_core.page.build import build, launch  # noqa: E402
from msa_core.page.gpu import load  # noqa: E402

if __name__ == "__main__":
    folders.end_on_sigterm()
    with suppress(KeyboardInterrupt):
        page = build(load())
        gc.freeze()
        gc.enable()
        launch(page)
