"""Fixtures shared by all tests: derived clips, the loaded models, an empty temporary folder, the page in a browser."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: small batches lose time to more threads

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

MOST_WORKERS = 4  # of pytest -n auto: each loads all models, about 2 GB


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run one process a core with `-n auto`, at most MOST_WORKERS."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


def pytest_collection_finish() -> None:
    """Use one thread a process. Not at the import: the process that only hands out the tests needs no torch."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`clip("silent.mp4")`: the path of a variant of variants.BUILDERS, made on first use."""
    import variants

    folder = tmp_path_factory.mktemp("clips")

    def get(name: str) -> Path:
        path = folder / name
        if not path.exists():
            variants.BUILDERS[name](path)
        return path

    return get


@pytest.fixture(scope="session")
def analyser() -> Iterator[Any]:
    """All shipped models, loaded once; a shipped example is read once for all tests (readings.Readings)."""
    from readings import Readings

    from msa_core.predict import Analyser

    loaded = Analyser.load("cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaded, "extract", Readings(loaded.extract))
        yield loaded


@pytest.fixture(scope="session")
def quick() -> Any:
    """The real path from file to utterance, with small stand-ins for the large networks."""
    import stand_ins

    return stand_ins.quick_extractor()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`tiny_model("wavlm")`: the folder of a tiny random model of tiny_models.py, made on first use."""
    folder = tmp_path_factory.mktemp("models")

    def get(name: str) -> Path:
        path = folder / name
        if not path.exists():
            import tiny_models

            getattr(tiny_models, name)(path)
        return path

    return get


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


@pytest.fixture(scope="session")
def serve(analyser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], SimpleNamespace]]:
    """`serve()` opens the real page with the real models on a free port: its address, folder, readings and Blocks."""
    folder, pages = tmp_path_factory.mktemp("gradio"), list[Any]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.5")
        patch.setenv("MSA_EMBEDDERS", "http://course.localhost")
        from msa_core.page.build import build, launch

        def start() -> SimpleNamespace:
            page = build(analyser)
            pages.append(page)
            _, url, _ = launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
            return SimpleNamespace(url=url, folder=folder, extractions=analyser.extract.paths, page=page)

        yield start
        for page in pages:
            page.close()


@pytest.fixture(scope="session")
def site(serve: Callable[[], SimpleNamespace]) -> SimpleNamespace:
    """The page that the tests share, with the shipped evaluation files."""
    return serve()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium whose camera and microphone play a real talking clip."""
    import chromium

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
    import chromium

    with chromium.visitors(browser, site) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def share(browser: Any, site: SimpleNamespace, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """`share(ready, width, ..)`: a page that the tests of a module use in turn (chromium.Shared)."""
    import chromium

    with chromium.visitors(browser, site) as open_page:
        failures = partial(getattr, request.session, "testsfailed")
        yield lambda ready, **how: chromium.Shared(partial(open_page, **how), failures, ready)


@pytest.fixture(scope="module")
def shared_answer(share: Callable[..., Any]) -> Any:
    import chromium

    return share(lambda page: chromium.example(page, chromium.CLIP.name))


@pytest.fixture
def answered(shared_answer: Any) -> Any:
    """A page with the example just read, shared by the tests of a module that leave its settings as they were."""
    return shared_answer()
