"""Fixtures shared by all tests: derived clips, the loaded models, an empty temporary folder, the page in a browser."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: small batches lose time to more threads

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlparse

import chromium
import pytest
import torch
import variants

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`clip("silent.mp4")`: the path of a variant of variants.BUILDERS, made on first use."""
    folder = tmp_path_factory.mktemp("clips")

    def get(name: str) -> Path:
        path = folder / name
        if not path.exists():
            variants.BUILDERS[name](path)
        return path

    return get


@pytest.fixture(scope="session")
def analyser():
    """All shipped models, loaded once."""
    from msa_core.predict import Analyser

    return Analyser.load("cpu")


@pytest.fixture(scope="session")
def quick() -> Any:
    """The real path from file to utterance, with small stand-ins for the large networks."""
    import stand_ins

    return stand_ins.quick_extractor()


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder for everything Python puts aside; the test fails when a file remains in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert list(folder.rglob("*")) == []


@pytest.fixture(scope="module")
def evaluations() -> Path | None:
    """The folder of evaluation files that the page shows; None: the shipped ones."""
    return None


@pytest.fixture(scope="module")
def site(
    analyser: Any, evaluations: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """The real page with the real models on a free port, its temporary folder, and a count of extractions."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.5")
        import app

        if evaluations is not None:
            patch.setattr(app.numbers, "FOLDER", evaluations)
        extractions: list[str] = []
        extract = analyser.extract

        def counted(path: str, **options: Any) -> Any:
            extractions.append(path)
            return extract(path, **options)

        patch.setattr(analyser, "extract", counted)
        page = app.build(analyser)
        _, url, _ = app.launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield SimpleNamespace(url=url, folder=folder, extractions=extractions, page=page)
        page.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium whose camera and microphone play a real talking clip."""
    folder = tmp_path_factory.mktemp("camera")
    chromium.camera(folder / "camera.y4m")
    chromium.microphone(folder / "microphone.wav")
    fake = [f"--use-file-for-fake-video-capture={folder}/camera.y4m"]
    fake += [f"--use-file-for-fake-audio-capture={folder}/microphone.wav"]
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium.chromium(), args=[*chromium.FLAGS, *fake])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, site: SimpleNamespace) -> Iterator[Callable[..., Any]]:
    """`visit(width, height, scheme, ..)` opens the page as a new visitor; outside requests fail the test."""
    contexts, hosts = [], set()

    def open_page(
        width: int = 1366, height: int = 900, scheme: str = "light", hash: str = "", script: str = "", **options: Any
    ) -> Any:
        settings = {"permissions": ["camera", "microphone"], "locale": "en-US", **options}
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **settings)
        contexts.append(context)
        context.on("request", lambda r: hosts.add(urlparse(r.url).netloc) if r.url.startswith("http") else None)
        page = context.new_page()
        page.set_default_timeout(chromium.PATIENCE_MS)
        if script:
            page.add_init_script(script)
        page.goto(f"{site.url}?__theme={scheme}{hash}")
        page.wait_for_selector(".mm-examples button", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert hosts <= {urlparse(site.url).netloc}, f"outside requests: {hosts}"
