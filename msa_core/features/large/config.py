"""Settings of a large feature set: the JSON file that names its models, their revisions and hidden layers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from msa_core import atomic
from msa_core.config import from_dict
from msa_core.errors import FeatureError, MsaError
from msa_core.features.windows import POOL

FILE = "features.json"  # in a folder of extracted features: the settings they were extracted with
INSTRUCTION = (  # of SLAM-LLM's LibriSpeech recipe in Vicuna's chat style, which SDUMC uses
    "USER: Transcribe speech to text. Output the transcription directly without redundant content. "
    "Ensure that the output is not duplicated. \n ASSISTANT:"
)


@dataclass(frozen=True)
class ModelConfig:
    """Model and the hidden layers that are read from it.

    model: a name on the Hub, a folder, or for speech "openai-whisper:SIZE"; revision: branch, tag or commit on the
    Hub, None takes its default branch. layers: summed; 0 is the embeddings, k the output of block k, -1 the last.
    """

    model: str
    revision: str | None = None
    layers: tuple[int, ...] = (-1,)

    def __post_init__(self) -> None:
        """Refuse a model without a name or without layers."""
        if not self.model or not self.layers:
            raise MsaError(f"The model {self.model!r} with layers {list(self.layers)} is incomplete. Give both.")


@dataclass(frozen=True)
class SpeechConfig(ModelConfig):
    """Speech model. pool: its frames of 20 ms that are averaged to one, 5 (10 Hz, as the compact set has) or 1."""

    pool: int = POOL

    def __post_init__(self) -> None:
        """Refuse frames that do not fit the windows."""
        super().__post_init__()
        if self.pool not in (1, POOL):
            raise MsaError(f"speech.pool is {self.pool}; give {POOL} (10 frames a second) or 1 (50).")


@dataclass(frozen=True)
class SimulatedConfig:
    """Text simulation of SDUMC (arXiv 2410.15029): its speech model, projector and generation.

    projector: folder of `train-projector`, or a .pt of SLAM-LLM. beams: 1 is greedy. max_new_tokens: of one window.
    """

    speech: ModelConfig
    projector: str
    instruction: str = INSTRUCTION
    beams: int = 4
    max_new_tokens: int = 200

    def __post_init__(self) -> None:
        """Refuse a generation that cannot be."""
        for name in ("beams", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise MsaError(f"simulated.{name} is {getattr(self, name)}; give at least 1.")


@dataclass(frozen=True)
class LargeConfig:
    """Settings of a large feature set.

    transcriber: size of the Whisper that hears the words. folder: where relative folders in it begin.
    """

    name: str
    speech: SpeechConfig
    text: ModelConfig
    vision: ModelConfig
    simulated: SimulatedConfig | None = None
    transcriber: str = "tiny.en"
    folder: Path = field(default=Path(), compare=False)

    def __post_init__(self) -> None:
        """Refuse a name that is no part of an id."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", self.name):
            raise MsaError(f"The name of a feature set is {self.name!r}; give small letters, digits and dashes.")

    def to_json(self) -> dict[str, Any]:
        """Convert to what `parse` reads, with folders and the projector as absolute paths."""
        values = asdict(self)
        del values["folder"]
        for part in ("speech", "text", "vision"):
            values[part]["model"] = place(values[part]["model"], self.folder)
        if self.simulated is not None:
            values["simulated"]["speech"]["model"] = place(self.simulated.speech.model, self.folder)
            values["simulated"]["projector"] = str((self.folder / self.simulated.projector).resolve())
        return values


def place(model: str, folder: Path) -> str:
    """Return the absolute path of a model that is a folder, and any other name as it is."""
    return str((folder / model).resolve()) if (folder / model).is_dir() else model


def parse(values: Mapping[str, Any], folder: Path = Path()) -> LargeConfig:
    """Build the settings of a large feature set from JSON's values.

    Args:
        values: keys as the fields of LargeConfig.
        folder: where relative folders in it begin.

    Raises:
        MsaError: a key is unknown or missing, or a value is wrong.
    """
    kinds: dict[str, type] = {"speech": SpeechConfig, "text": ModelConfig, "vision": ModelConfig}
    kinds["simulated"] = SimulatedConfig
    made = dict(values)
    for key, kind in kinds.items():
        part = made.get(key)
        if part is None and key == "simulated":
            continue
        if not isinstance(part, Mapping):
            raise MsaError(f"The feature set has no {key!r} with a model. Valid keys: {', '.join(kinds)}, name.")
        if key == "simulated" and isinstance(part.get("speech"), Mapping):
            part = {**part, "speech": _made(ModelConfig, part["speech"], "simulated.speech")}
        made[key] = _made(kind, part, key)
    return replace(_made(LargeConfig, made, "the feature set"), folder=folder)


def read(path: str | Path) -> LargeConfig:
    """Read the JSON file of a large feature set.

    Raises:
        FeatureError: it is missing or no JSON object.
        MsaError: as `parse`.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise FeatureError(f"Cannot read the feature set {path.name} ({e}). Give a JSON file.") from e
    if not isinstance(values, dict):
        raise FeatureError(f"{path.name} is no JSON object. Write one (docs/large-features.md).")
    return parse(values, path.parent)


def write(config: LargeConfig, feature_set: str, folder: Path) -> None:
    """Write the id and the settings of a feature set into the folder of its features.

    Raises:
        FeatureError: the folder cannot be written, or holds features of another set.
    """
    there = stored(folder)
    if there is not None and there[0] != feature_set:
        raise FeatureError(f"{folder} holds features {there[0]!r}; these are {feature_set!r}. Give another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"feature_set": feature_set, "settings": config.to_json()}, indent=1) + "\n"
        atomic.write_text(folder / FILE, text)
    except OSError as e:
        raise FeatureError(f"Cannot write to {folder} ({e.strerror}). Give a folder you may write to.") from e


def stored(folder: Path) -> tuple[str, dict[str, Any]] | None:
    """Read the id and the settings that `write` wrote; None when there are none. Raises: FeatureError."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found["feature_set"]), dict(found["settings"])
    except (OSError, UnicodeDecodeError, ValueError, LookupError, TypeError) as e:
        raise FeatureError(
            f"{path} cannot be read ({type(e).__name__}). Delete it, and extract the clips again."
        ) from e


def _made(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """Build settings, saying where a field is missing. Raises: MsaError."""
    try:
        return from_dict(kind, values)
    except TypeError as e:
        lost = re.findall(r"'(\w+)'", str(e))
        raise MsaError(f"{where} lacks {', '.join(lost) or e}. See docs/large-features.md.") from e
