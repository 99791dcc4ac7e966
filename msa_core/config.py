"""Settings as frozen dataclasses, built from the command line or a manifest by `from_dict`, and the device."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from msa_core.errors import MsaError

T = TypeVar("T")
LARGEST = 2**63 - 1  # whole number of a setting; random generators take no larger seed
LATER = {"later": True}  # metadata of a setting that older manifests do not have
PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Locate a folder of shipped files: inside an installed package, or beside the package in a checkout.

    Args:
        name: `checkpoints` or `examples`.
    """
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def from_dict(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build dataclass `cls` from `values`, refusing unknown keys, wrong types and numbers that are not finite.

    Raises:
        MsaError: a key or a value is wrong; the message names it and the valid choices.

    >>> from_dict(MediaLimits, {"max_duration_s": 30}).max_duration_s
    30.0
    """
    hints = get_type_hints(cls)
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise MsaError(f"{cls.__name__} has no setting {unknown[0]!r}. Valid settings: {', '.join(known)}.")
    return cls(**{k: _coerce(f"{cls.__name__}.{k}", v, hints[k]) for k, v in values.items()})


def facts(settings: Any) -> dict[str, Any]:
    """Return settings for a manifest; those marked as LATER only where they differ from their defaults."""
    unchanged = {k for k, default in later(settings).items() if getattr(settings, k) == default}
    return {k: v for k, v in asdict(settings).items() if k not in unchanged}


def later(settings: Any) -> dict[str, Any]:
    """Return the defaults of the settings that are marked as LATER."""
    return {f.name: f.default for f in fields(settings) if f.metadata.get("later")}


def _coerce(name: str, value: Any, hint: Any) -> Any:
    """Convert lists to tuples and ints to floats, as JSON needs; anything else must have the right type already."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(a for a in get_args(hint) if a is not type(None))
        origin = get_origin(hint)
    if origin is tuple and isinstance(value, list | tuple):
        kinds = get_args(hint)
        kinds = (kinds[0],) * len(value) if kinds[-1] is Ellipsis else kinds
        if len(value) != len(kinds):
            raise MsaError(f"{name} is {list(value)!r}; give {len(kinds)} values.")
        return tuple(_coerce(name, v, kind) for v, kind in zip(value, kinds, strict=True))
    if isinstance(value, int) and abs(value) > LARGEST:
        raise MsaError(f"{name} is {value}; give a number of at most {LARGEST}.")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = origin or hint
    if isinstance(plain, type) and (not isinstance(value, plain) or (plain is int and isinstance(value, bool))):
        raise MsaError(f"{name} is {value!r}; give a value of type {plain.__name__}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise MsaError(f"{name} is {value}; give a finite number.")
    return value


@dataclass(frozen=True)
class MediaLimits:
    """Limits on the size and duration of a clip: the defaults are those of the page.

    >>> MediaLimits(max_duration_s=30.0).max_duration_s, MediaLimits.command_line().max_duration_s
    (30.0, 600.0)
    """

    max_duration_s: float = 60.0
    max_bytes: int = 50 * 1024 * 1024
    max_pixels: int = 4096 * 2304  # of one frame: 4K is decoded, larger is refused
    max_frames: int = 60 * 120  # decoded video frames: 60 s at 120 fps
    max_decoded_pixels: int = 60 * 60 * 1920 * 1080  # of all frames together: 60 s of 1920 x 1080 at 60 fps
    max_cpu_s: float = 10.0  # to find out what a clip holds, and as much to decode its sound
    max_decoding_s: float = 60.0  # of the processor, to decode the pictures; more is refused as soon as it is foreseen
    max_wall_s: float = 120.0  # until a part of a clip is there, whatever else the computer does
    max_memory_bytes: int = 768 * 1024 * 1024  # of each of the two processes that read sound and pictures

    @staticmethod
    def command_line() -> MediaLimits:
        """Return the limits of the command line, for a researcher's own machine: ten minutes, two gigabytes."""
        page, more = MediaLimits(), 10
        return MediaLimits(
            max_duration_s=more * page.max_duration_s,
            max_bytes=2 * 1024**3,
            max_frames=more * page.max_frames,
            max_decoded_pixels=more * page.max_decoded_pixels,
            max_cpu_s=more * page.max_cpu_s,
            max_decoding_s=more * page.max_decoding_s,
        )


def choose_device(device: str | None = None) -> str:
    """Return `device`, or "cuda" or "cpu" by what this computer has when none is given. Raises: MsaError."""
    import torch  # here: settings are read without it, and its import takes seconds

    found = torch.cuda.is_available()
    if not device:
        return "cuda" if found else "cpu"
    kind = str(device).split(":")[0]
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not found):
        here = "" if found else " (there is no GPU here that torch can use)"
        raise MsaError(f"The device is {device!r}; give cpu or cuda{here}, or leave it out.")
    return device
