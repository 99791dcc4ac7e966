"""Large feature sets from file to score: streams and reasons, what is read once, training, precisions, checkpoints."""

from __future__ import annotations

import csv
import json
import re
import shutil
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import variants
from stand_ins import Listener, middle

from msa_core import checkpoint, large
from msa_core.__main__ import main
from msa_core.batch import collate
from msa_core.cli.many.large_work import large_extraction
from msa_core.cli.many.run import Outcome, run
from msa_core.corpora import importers
from msa_core.degrade import Degradation
from msa_core.errors import FeatureError, MsaError
from msa_core.extract import Extractor
from msa_core.features import store
from msa_core.features.large import config
from msa_core.features.large.cache import Cache
from msa_core.features.large.models import LargeSet
from msa_core.features.large.simulator import KIND, SpeechProjector
from msa_core.features.large.vision import LargeFaces
from msa_core.features.spoken import SILENT
from msa_core.methods.shipped import load
from msa_core.missing import PATTERNS, pattern
from msa_core.predict import Analyser
from msa_core.schema import STREAMS
from msa_core.training.loop import TrainConfig, fit

CLIPS = {"crema_happy.mp4": "h", "crema_angry.mp4": "s"}  # of 1.9 and 2.3 s


class Talker(Listener):
    """Stand-in for Whisper: "good day" in a sound under 2 s, "bad day" in a longer one."""

    def read(self, waveform: np.ndarray, poll: Any = None, any_language: bool = False) -> Any:
        heard = super().read(waveform)
        first = "good" if len(waveform) < 2 * 16000 else "bad"
        words = tuple(replace(w, text=first) if k == 0 else w for k, w in enumerate(heard.words))
        return replace(heard, words=words, transcript=" ".join(w.text for w in words))


@pytest.fixture(scope="module")
def settings(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`settings(text={..})`: the JSON file of a set of tiny models with changes."""
    folder = tmp_path_factory.mktemp("settings")
    torch.manual_seed(0)
    checkpoint.write(folder / "projector", SpeechProjector(16, 16, 32).state_dict(), {"kind": KIND})
    plain: dict[str, Any] = {
        "name": "tiny",
        "speech": {"model": str(tiny_model("wavlm")), "layers": [-2]},
        "text": {"model": str(tiny_model("llama")), "layers": [-4, -3, -2, -1]},
        "vision": {"model": str(tiny_model("vit"))},
        "simulated": {
            "speech": {"model": str(tiny_model("wavlm"))},
            "projector": "projector",
            "beams": 2,
            "max_new_tokens": 6,
        },
    }

    def write(**changes: Any) -> Path:
        path = folder / f"set{len(list(folder.glob('*.json')))}.json"
        path.write_text(json.dumps({**plain, **changes}))
        return path

    return write


@pytest.fixture
def quick_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two words in loud sound, without the weights of Whisper."""
    monkeypatch.setattr(large.weights, "whisper", lambda *_, **__: None)
    monkeypatch.setattr(large, "SpeechReader", lambda *_, **__: Talker())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short real clips, each under five names, with a table of labels beside the folder."""
    folder = tmp_path_factory.mktemp("data") / "clips"
    folder.mkdir()
    rows = []
    for source, letter in CLIPS.items():
        for k in range(5):
            shutil.copy(variants.EXAMPLES / source, folder / f"{letter}{k}.mp4")
            sign = 1 if letter == "h" else -1
            rows.append((f"{letter}{k}.mp4", sign * (1 + 0.2 * k), "train" if k < 3 else ("valid", "test")[k - 3]))
    with open(folder.parent / "labels.csv", "w", newline="") as f:
        csv.writer(f).writerows([("clip", "score", "split"), *rows])
    return folder


def extractor(path: Path, dtype: str = "fp32", cache: Cache | None = None) -> large.LargeExtractor:
    return large.LargeExtractor(LargeSet.find(config.read(path), dtype), "cpu", cache)


def extract(source: Path, out: Path, path: Path, dtype: Any = None, cache: Any = None) -> tuple[int, dict[str, str]]:
    """Extract a folder of clips. Returns: how many have features, and the reasons of the others."""
    args = Namespace(features=str(path), dtype=dtype, device="cpu", cache=cache, any_language=False)
    found = run(large_extraction(args, source, out), source, out / "clips.csv", renew=True)
    return found.clips - len(found.bad), found.bad


def reasons(utterance: Any) -> dict[str, str | None]:
    return {s: utterance.stream(s).reason for s in STREAMS}


def test_everything_about_a_talking_clip(quick_words: None, settings: Any) -> None:
    read, steps = extractor(settings()), []
    u = read.utterance(variants.REAL, progress=lambda step, share: steps.append(step))
    assert u.transcript == "good day" and [w.text for w in u.words] == ["good", "day"]
    assert u.feature_set == read.feature_set.id and u.feature_set.startswith("large-tiny-")
    assert u.prosody is not None and u.prosody.pitch_hz and u.thumbnails and {"media", "speech"} <= set(steps)
    for s in STREAMS:
        stream = u.stream(s)
        assert stream.values is not None and stream.times_s is not None and stream.reason is None
        assert stream.values.shape == (len(stream.times_s), read.feature_set.dims[s])
        assert stream.values.dtype == np.float32 and (np.diff(stream.times_s) > 0).all()
        assert 0 <= stream.times_s[0] <= stream.times_s[-1] <= u.duration_s
    assert len(u.audio.values) == -(-int(u.duration_s * 50) // 5), "ten frames a second"
    assert collate([u]).features["vision"].shape[2] == 12


@pytest.mark.parametrize(
    "name, text, audio, vision, simulated",
    [
        ("mute.mp4", "no audio track", "no audio track", None, "no audio track"),
        ("silent.mp4", SILENT, SILENT, None, SILENT),
        ("black.mp4", None, None, "the picture is black", None),
        ("sound.flac", None, None, "no video track", None),
    ],
)
def test_what_is_missing_and_why(
    quick_words: None, settings: Any, clip: Any, monkeypatch: Any, name: str, text: Any, audio: Any, vision: Any,
    simulated: Any,
) -> None:  # fmt: skip
    read = extractor(settings())
    read.faces.detector = middle
    found = reasons(read.utterance(clip(name)))
    assert found == {"text": text, "audio": audio, "vision": vision, "simulated": simulated}


def test_speech_that_is_not_understood_leaves_a_voice(quick_words: None, settings: Any, monkeypatch: Any) -> None:
    why = "speech not understood (it sounds like German; only English is recognised)"
    heard = replace(Listener().read(np.ones(16000, np.float32)), words=(), transcript="", no_speech_reason=why)
    read = extractor(settings(simulated=None))
    monkeypatch.setattr(read.words, "read", lambda *_, **__: heard)
    assert reasons(read.utterance(variants.REAL)) == {"text": why, "audio": None, "vision": None, "simulated": why}
    with pytest.raises(MsaError, match="reads English speech. Leave --spoken out"):
        read.utterance(variants.REAL, spoken="zh")


def test_a_set_without_simulation_says_so(quick_words: None, settings: Any, tiny_model: Any) -> None:
    text = {"model": str(tiny_model("roberta")), "layers": [-1]}
    u = extractor(settings(simulated=None, text=text)).utterance(variants.REAL)
    assert reasons(u)["simulated"] == large.NOT_SIMULATED and u.text.values is not None and u.text.values.shape[1] == 20


def test_nothing_is_read_twice(quick_words: None, settings: Any, clips: Path, tmp_path: Path, monkeypatch: Any) -> None:
    path, cache = settings(), tmp_path / "cache"
    reads: list[str] = []
    read = LargeFaces.read
    monkeypatch.setattr(LargeFaces, "read", lambda self, frames: reads.append("faces") or read(self, frames))
    done, failed = extract(clips, tmp_path / "out", path, cache=cache)
    assert (done, failed, len(reads)) == (10, {}, 2), "ten clips, two contents"
    first = store.load(tmp_path / "out" / "h0.mp4.npz")
    with monkeypatch.context() as patch:
        patch.setattr(large, "LargeExtractor", lambda *_: pytest.fail("every clip is done"))
        assert extract(clips, tmp_path / "out", path) == (10, {})
    # Another text model: face, voice and words come from the cache.
    other = settings(text={"model": config.read(path).text.model, "layers": [1]})
    monkeypatch.setattr(Talker, "read", lambda *_, **__: pytest.fail("the words are kept"))
    monkeypatch.setattr(LargeFaces, "read", lambda *_: pytest.fail("the faces are kept"))
    assert extract(clips, tmp_path / "other", other, cache=cache) == (10, {})
    again = store.load(tmp_path / "other" / "h0.mp4.npz")
    for s in ("audio", "vision"):
        np.testing.assert_array_equal(again.stream(s).values, first.stream(s).values)
    assert not np.allclose(again.text.values, first.text.values) and again.transcript == first.transcript
    assert again.prosody == first.prosody and again.notes == first.notes
    # Another precision is another reading.
    with pytest.raises(pytest.fail.Exception, match="are kept"):
        extract(clips, tmp_path / "half", path, "bf16", cache)
    monkeypatch.undo()


def test_degraded_clips_are_not_kept(quick_words: None, settings: Any, tmp_path: Path) -> None:
    read = extractor(settings(), cache=Cache(tmp_path))
    worse = read.utterance(variants.REAL, degradation=Degradation(noise_db=0.0))
    assert not list(tmp_path.iterdir())
    plain = read.utterance(variants.REAL)
    assert not np.allclose(worse.audio.values, plain.audio.values) and list(tmp_path.iterdir())


def test_bad_clips_and_folders(quick_words: None, settings: Any, tmp_path: Path, tiny_model: Any) -> None:
    source = tmp_path / "clips"
    source.mkdir()
    shutil.copy(variants.REAL, source / "a.mp4")
    (source / "broken.mp4").write_bytes(b"no clip")
    done, failed = extract(source, tmp_path / "out", settings())
    assert done == 1 and list(failed) == ["broken.mp4"]
    speech = {"model": str(tiny_model("hubert"))}
    with pytest.raises(FeatureError, match="holds features 'large-tiny-.*Give another --out"):
        extract(source, tmp_path / "out", settings(speech=speech))
    with pytest.raises(FeatureError, match="wavlm has 3 layers, so hidden states 0 to 3"):
        deep = {"model": str(tiny_model("wavlm")), "layers": [24]}
        extract(source, tmp_path / "deep", settings(speech=deep))
    assert not (tmp_path / "deep").exists(), "nothing is written before the models are found"


def test_a_folder_of_mixed_sets_is_refused_in_one_line(quick_words: None, settings: Any, tmp_path: Path) -> None:
    u = extractor(settings(simulated=None)).utterance(variants.REAL)
    wide = replace(u, text=replace(u.text, values=np.ones((2, 20), np.float32), times_s=np.arange(2.0)))
    table = tmp_path / "labels.csv"
    table.write_text("clip,score,split\na.mp4,1,train\nb.mp4,-1,valid\n")
    store.save(u, tmp_path / "sets" / "a.mp4.npz")
    store.save(replace(u, feature_set="large-other-00000000-20-16-12"), tmp_path / "sets" / "b.mp4.npz")
    with pytest.raises(MsaError, match=f"has features 'large-other-00000000-20-16-12'; needed are '{u.feature_set}'"):
        importers.read(tmp_path / "sets", "x", table)
    store.save(u, tmp_path / "widths" / "a.mp4.npz")
    store.save(wide, tmp_path / "widths" / "b.mp4.npz")
    expected = re.escape(f"text of b.mp4 has shape (2, 20); {u.feature_set} has (T >= 1, 16)")
    with pytest.raises(MsaError, match=expected):
        importers.read(tmp_path / "widths", "x", table)


def test_a_precision_that_overflows_is_said(quick_words: None, settings: Any, monkeypatch: Any) -> None:
    read = extractor(settings(), "fp16")
    monkeypatch.setattr(read.text, "encode_words", lambda words: large.Stream(np.full((1, 16), np.inf), np.zeros(1)))
    with pytest.raises(FeatureError, match="gives NaN or infinity in fp16. Give --dtype bf16 or fp32"):
        read.utterance(variants.REAL)


@pytest.fixture(scope="module")
def extracted(settings: Any, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`extracted("fp16")`: the features of all clips in a precision."""
    folder = tmp_path_factory.mktemp("features")
    path = settings()

    def get(dtype: str) -> Path:
        out = folder / dtype
        if not out.exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(large.weights, "whisper", lambda *_, **__: None)
                patch.setattr(large, "SpeechReader", lambda *_, **__: Talker())
                assert extract(clips, out, path, dtype, folder / "cache") == (10, {})
        return out

    return get


@pytest.mark.parametrize("method, dtypes", [("baseline", ("fp16", "bf16")), ("sdumc", ("fp16",))])
def test_half_precision_moves_a_trained_score_by_less_than_two_hundredths(
    method: str, dtypes: tuple[str, ...], extracted: Any, clips: Path, tmp_path: Path
) -> None:
    """A method that was trained on fp32 until it tells the clips apart reads the features of fp16 and bf16.

    SDUMC reads simulated text, and in bf16 a language model may say other words (docs/large-features.md).
    """
    corpora = {d: importers.read(extracted(d), d, clips.parent / "labels.csv") for d in ("fp32", *dtypes)}
    how = TrainConfig(epochs=30, batch=6, lr=3e-3, ema=0.0, augment=False)
    model, _ = load(fit(method, corpora["fp32"], tmp_path / method, how), corpora["fp32"].feature_set)
    scores = {}
    for dtype, corpus in corpora.items():
        batch = corpus.batch(np.arange(10))
        with torch.no_grad():
            scores[dtype] = np.stack([model(pattern(batch, p)).score.numpy() for p in PATTERNS])
    whole = scores["fp32"][-1]
    assert np.abs(whole - corpora["fp32"].label).mean() < 1 and whole.std() > 0.5, "it tells the clips apart"
    for dtype in dtypes:
        assert 0 < np.abs(scores[dtype] - scores["fp32"]).max() < 0.02


@pytest.mark.slow
def test_from_clips_to_scores_on_the_command_line(
    settings: Any, clips: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    """With the real Whisper tiny.en: extract, import, train, evaluate, analyse, without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    path, corpus, runs, table = settings(), tmp_path / "corpus", tmp_path / "runs", clips.parent / "labels.csv"

    def run(*args: object) -> str:
        code = main([str(a) for a in args])
        out = capsys.readouterr()
        assert code == 0, out.err
        return out.out

    cache = ("--cache", tmp_path / "cache", "--device", "cpu")
    said = run("extract", clips, "--out", tmp_path / "out", "--features", path, *cache)
    assert said.startswith("10 clips extracted")
    assert "text: 16 wide" in run("check", tmp_path / "out", "--table", table)
    run("import", tmp_path / "out", "--table", table, "--out", corpus, "--name", "tiny")
    train = ("--corpus", corpus, "--out", runs, "--set", "epochs=1")
    run("train", "baseline", *train, "--label", "late", "--set", "regime=complete")
    run("train", "sdumc", *train, "--label", "sdumc")
    run("train", "corrkd", *train, "--label", "corrkd-teacher", "--set", "regime=complete", "--set", "distil=false")
    run("train", "corrkd", *train, "--label", "corrkd", "--teacher", "corrkd-teacher")
    assert "SDUMC" in run("evaluate", "--corpus", corpus, "--runs", runs, "--out", tmp_path / "tables", "--jobs", 1)
    asked = ("analyse", clips / "h0.mp4", "--json", "-", "--device", "cpu", "--method")
    found = json.loads(run(*asked, runs / "sdumc-seed0", "--complete", runs / "late-seed0", "--drop", "text"))
    assert found["feature_set"].startswith("large-tiny-") and found["text_source"] == "simulated"
    assert "forget" in found["transcript"] and -3 <= found["scores"]["missing_model_left"] <= 3
    alone = json.loads(run(*asked, runs / "corrkd-seed0", "--transcript", "This is awful.", "--features", path))
    assert alone["edited"] and alone["scores"]["complete_model_full"] is not None
    assert main(["analyse", str(clips / "h0.mp4"), "--method", str(runs / "sdumc-seed0")]) == 2
    assert "has no teacher to stand beside it" in capsys.readouterr().err


def test_a_checkpoint_finds_its_extractors_or_says_why_not(
    quick_words: None, extracted: Any, clips: Path, tmp_path: Path, settings: Any, tiny_model: Any
) -> None:
    corpus = importers.read(extracted("fp32"), "tiny", clips.parent / "labels.csv")
    complete = fit("baseline", corpus, tmp_path / "late", TrainConfig(epochs=1, regime="complete"))
    analyser = Analyser.load("cpu", str(complete))
    utterance = analyser.extract(variants.REAL)
    prediction = analyser.predict(analyser.edit(utterance, "good evening"), str(complete))
    assert prediction.edited and prediction.feature_set == corpus.feature_set
    with pytest.raises(MsaError, match="says what hears the words. Leave --whisper out"):
        Analyser.load("cpu", str(complete), whisper="base")
    with pytest.raises(MsaError, match="needs the compact features, these are 'large-tiny-"):
        _ = analyser.extractor
    manifest = checkpoint.read_manifest(complete)
    other = settings(vision={"model": str(tiny_model("vit")), "layers": [0]})
    with pytest.raises(FeatureError, match="Give the settings and the models that it was trained with"):
        large.extractor_of(manifest, other, "cpu", None)
    bare = {**manifest, "corpus": {"name": "tiny"}}
    with pytest.raises(FeatureError, match="does not say by which models. Give their file with --features"):
        large.extractor_of(bare, None, "cpu", None)
    assert large.extractor_of({"feature_set": "compact-v1"}, None, "cpu", None) is None
    with pytest.raises(MsaError, match="Only a checkpoint of a large feature set takes --features"):
        Analyser.load("cpu", "sdumc", features=other)


def test_options_of_the_command_line_belong_together(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    shutil.copy(variants.REAL, tmp_path / "a.mp4")
    assert main(["extract", str(tmp_path), "--out", str(tmp_path / "out"), "--dtype", "fp16"]) == 2
    assert "--dtype and --cache are for a large feature set" in capsys.readouterr().err
    (tmp_path / "set.json").write_text(json.dumps({"name": "x"}))
    assert (
        main(["extract", str(tmp_path), "--out", str(tmp_path / "out"), "--features", str(tmp_path / "set.json")]) == 2
    )
    assert "The feature set has no 'speech' with a model" in capsys.readouterr().err
    names = {part: {"model": f"nobody/no-{part}-model"} for part in ("speech", "text", "vision")}
    (tmp_path / "set.json").write_text(json.dumps({"name": "x", **names}))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert (
        main(["extract", str(tmp_path), "--out", str(tmp_path / "out"), "--features", str(tmp_path / "set.json")]) == 2
    )
    said = capsys.readouterr().err
    assert said.startswith("msa_core extract: The model nobody/no-text-model does not load") and said.count("\n") == 1
    more = ["--features", str(tmp_path / "set.json"), "--whisper", "base"]
    assert main(["extract", str(tmp_path), "--out", str(tmp_path / "out"), *more]) == 2
    assert "('transcriber'). Leave --whisper out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_larger_whisper_reads_a_folder_for_the_compact_set(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("msa_core.cli.many.command.run", lambda task, *_, **__: asked.append(task) or Outcome(1, {}, 1))
    loaded: list[Any] = []
    monkeypatch.setattr(Extractor, "load", lambda device, whisper: loaded.append((device, whisper)) or middle)
    assert main(["extract", "clips", "--out", str(tmp_path), "--whisper", "base", "--device", "cpu"]) == 0
    assert asked[0].feature_set.extractors[-1] == "words by whisper-base" and asked[0].whisper == "base"
    assert capsys.readouterr().out.startswith("1 clips extracted")
    with pytest.raises(AttributeError):  # the stand-in reads nothing: it is enough that it was loaded
        replace(asked[0], source=variants.REAL.parent).load()(variants.REAL)
    assert loaded == [("cpu", "base")]


def test_train_projector_on_the_command_line(settings: Any, clips: Path, tmp_path: Path, capsys: Any) -> None:
    table, path = tmp_path / "words.csv", settings()
    table.write_text("clip,text\nh0.mp4,Don't forget a jacket.\ns0.mp4,Don't forget a jacket.\n")
    own = json.loads(path.read_text())
    own["simulated"]["projector"] = str(tmp_path / "projector")
    (tmp_path / "set.json").write_text(json.dumps(own))
    command = ["train-projector", "--clips", str(clips), "--table", str(table), "--device", "cpu", "--features"]
    small = ["--set", "hidden=8", "--set", "epochs=1"]
    assert main([*command, str(tmp_path / "set.json"), *small, "--cache", str(tmp_path / "cache")]) == 0
    assert "projector: 2 clips" in capsys.readouterr().out
    LargeSet.find(config.read(tmp_path / "set.json"), "fp32")
    assert main([*command, str(settings(simulated=None))]) == 2
    assert "has no 'simulated' part" in capsys.readouterr().err
    assert main([*command, str(path), "--set", "speed=1"]) == 2
    assert "ProjectorTraining has no setting 'speed'" in capsys.readouterr().err


def test_the_compact_extractor_is_a_reader_of_clips_too(quick: Extractor) -> None:
    assert isinstance(quick, large.ClipReader) and quick.feature_set.id == "compact-v2"
