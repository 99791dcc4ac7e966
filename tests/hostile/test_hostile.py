"""Hostile files through the library, the command line and the page: a sentence each, within limits, nothing left."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bombs
import feature_files
import hostile_features
import hostile_media
import pytest

from msa_core import i18n, media, prepared
from msa_core.__main__ import main
from msa_core.config import MediaLimits
from msa_core.corpora import importers
from msa_core.errors import MsaError
from msa_core.extract import Extractor
from msa_core.features import store
from msa_core.media import process
from msa_core.schema import Utterance

pytestmark = pytest.mark.slow
CPU_S = 10.0  # for a refusal
BESIDE = 64 * 2**20  # bytes of a process that reads media before it reads any
SENTENCE = 1_200  # characters
CLI_EVERY, PAGE_EVERY = 9, 12  # of the refused files


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where Python puts files aside."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TMPDIR", "TEMP", "TMP"):
            patch.setenv(name, str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield folder


@pytest.fixture(scope="module")
def trap() -> Iterator[Any]:
    """A port of this computer that notes who connects to it."""
    caught: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: _accept(server, caught), daemon=True).start()
        yield SimpleNamespace(port=server.getsockname()[1], caught=caught)


def _accept(server: socket.socket, caught: list[Any]) -> None:
    try:
        while True:
            caught.append(server.accept()[1])
    except OSError:  # closed
        return


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, trap: Any) -> list[Path]:
    made = hostile_media.make(tmp_path_factory.mktemp("hostile"), trap.port)
    assert len(made) >= 300
    return made


def processor_s() -> float:
    """Seconds of the processor, of this process and all that read media for it."""
    total = sum(os.times()[:4])
    for reader in process.READERS._idle:
        stat = Path(f"/proc/{reader.pid}/stat")
        if stat.is_file():
            fields = stat.read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def refused_by_the_command_line(quick: Extractor, path: Path) -> bool:
    try:
        quick.utterance(path, MediaLimits.command_line())
    except MsaError:
        return True
    return False


@pytest.fixture(scope="module")
def refused(files: list[Path], quick: Extractor, temporary: Path) -> dict[Path, str]:
    """Every file read by the library, within the limits of the page; the sentences of those that were refused.

    Memory, threads, time of the processor and leftovers are looked at while it goes.
    """
    media.close()
    folder, before = files[0].parent, sorted(p.name for p in files[0].parent.iterdir())
    said: dict[Path, str] = {}
    slow: dict[str, float] = {}
    quick.utterance(hostile_media.base(temporary, "mp4"))
    (temporary / "whole.mp4").unlink()
    gc.collect()
    threads = threading.active_count()
    for path in files:
        began = processor_s()
        try:
            assert isinstance(quick.utterance(path, MediaLimits()), Utterance)
        except MsaError as e:
            said[path] = str(e)
            with i18n.use("zh"):
                assert i18n.known(e.message) != str(e), f"{path.name!r}: {e}"
        spent = processor_s() - began
        if path in said and spent > CPU_S:
            slow[path.name] = spent
        peak = bombs.peak_bytes([reader.pid for reader in process.READERS._idle])
        assert peak < MediaLimits().max_memory_bytes + BESIDE, f"{path.name}: {peak / 2**20:.0f} MB"
    assert slow == {}, "a refusal took too long"
    assert threading.active_count() <= threads
    assert sorted(p.name for p in folder.iterdir()) == before and list(temporary.iterdir()) == []
    return said


def is_a_sentence(text: str) -> bool:
    return 20 < len(text) < SENTENCE and "Traceback" not in text and "\n" not in text and text.rstrip().endswith(".")


def test_the_library_reads_or_refuses_in_a_sentence(refused: dict[Path, str], files: list[Path]) -> None:
    bad = {p.name: said for p, said in refused.items() if not is_a_sentence(said)}
    assert bad == {} and len(refused) > len(files) / 3 and len(refused) < len(files)


def test_bombs_are_named(refused: dict[Path, str]) -> None:
    by_name = {path.name: said for path, said in refused.items()}
    assert "gigapixels" in by_name["pictures.mov"] and "gigapixels" in by_name["4k.mp4"]
    assert "video frames" in by_name["many.mov"] and "pixels a frame" in by_name["huge.mov"]
    assert all("Hz; it must have" in by_name[f"rate-{rate}.wav"] for rate in (1, 50, 3_999, 1_000_000, 2**31 - 1))
    assert "NaN" in by_name["nan.wav"]


def test_no_other_file_and_no_address_is_asked_for(refused: dict[Path, str], files: list[Path], trap: Any) -> None:
    names = hostile_media.references(Path("secret"), 1)
    asking = [p for p in files if p.name in names]
    assert len(asking) == len(names) and set(asking) <= set(refused) and trap.caught == []
    assert not any("secret" in refused[p] for p in asking)


def test_a_run_over_the_files_is_rows(
    refused: dict[Path, str], quick: Extractor, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    """`extract` goes on after every one of them."""
    folder = tmp_path / "clips"
    folder.mkdir()
    sample = [p for p in sorted(refused)[::CLI_EVERY] if p.suffix in media.SUFFIXES and not p.name.startswith(".")]
    sample = [p for p in sample if refused_by_the_command_line(quick, p)]
    assert len(sample) >= 12
    for number, path in enumerate(sample):
        shutil.copy(path, folder / f"{number} {path.name[-200:]}")
    shutil.copy(hostile_media.base(tmp_path, "mp4"), folder / "good.mp4")
    monkeypatch.setattr(Extractor, "load", staticmethod(lambda *_: quick))
    assert main(["extract", str(folder), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err and f"{len(sample)} could not be read" in told.out
    assert {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()} == {
        "good.mp4.npz",
        "clips.csv",
        "clips.rows.jsonl",
    }


def test_the_command_line_says_one_line(refused: dict[Path, str], capsys: Any) -> None:
    for path in sorted(refused)[::CLI_EVERY]:
        assert main(["analyse", "--", str(path)]) == 2, path.name
        told = capsys.readouterr()
        assert told.out == "" and told.err.startswith("msa_core analyse: ") and told.err.count("\n") == 1


def test_the_page_says_the_sentence_and_keeps_nothing(
    refused: dict[Path, str], quick: Extractor, tmp_path: Path, monkeypatch: Any
) -> None:
    from gradio_client import Client, handle_file

    from msa_core.page.build import build, launch

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setattr(prepared, "utterance", lambda clip: None)  # nothing to answer on arrival
    stand_in: Any = SimpleNamespace(
        methods=("sdumc",),
        reads_simulated_text=lambda _: True,
        extract=lambda path, **how: quick.utterance(path, degradation=how["degradation"]),
    )
    page = build(stand_in)
    _, url, _ = launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        client = Client(url, verbose=False)
        wrong = {}
        for path in sorted(refused)[::PAGE_EVERY]:
            try:
                client.predict(handle_file(str(path)), api_name="/analyse")
                wrong[path.name] = "read"
            except Exception as e:
                if not is_a_sentence(str(e)) or "/" in str(e).replace(" / ", ""):
                    wrong[path.name] = f"{type(e).__name__}: {e}"
        assert wrong == {}
        uploads = tmp_path / "uploads"
        assert [p for p in uploads.rglob("*") if p.is_file() and "hash_seed" not in p.name] == []
    finally:
        page.close()


# --------------------------------------------------------------------------------------------- features


def described(path: Path, table: Path | None = None) -> str:
    """What `check` and `import` say of a file; the time of the processor is limited."""
    began = time.process_time()
    said = []
    for attempt in (
        lambda: "\n".join(importers.report(path, table)[1]),
        lambda: importers.read(path, table=table).name,
    ):
        try:
            said.append(str(attempt()))
        except MsaError as e:
            said.append(str(e))
            assert len(str(e)) < 5_000 and "Traceback" not in str(e)
    assert time.process_time() - began < CPU_S
    return "\n".join(said)


def test_feature_files_are_read_or_refused(tmp_path: Path, capsys: Any) -> None:
    named = hostile_features.pickles(tmp_path) | hostile_features.archives()
    assert len(named) > 50
    for name, data in named.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert described(path), name
        assert main(["check", str(path)]) in (0, 2), name
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(named), "a file was obeyed, or something is left"


def test_tables_of_labels_are_read_or_refused(tmp_path: Path) -> None:
    features, _ = feature_files.extracted_folder(tmp_path)
    for name, text in hostile_features.tables().items():
        table = tmp_path / f"{name}.csv"
        table.write_text(text)
        assert described(features, table), name


def test_features_of_a_clip_are_read_or_refused(tmp_path: Path) -> None:
    for name, data in hostile_features.archives().items():
        path = tmp_path / name
        path.write_bytes(data)
        assert not store.stored_key(path), name
        with pytest.raises(MsaError, match="holds no features of ours"):
            store.load(path)
