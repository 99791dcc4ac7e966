"""Small feature files in the layouts of others, made of random numbers."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from msa_core.features import COMPACT, store
from msa_core.schema import STREAMS, Stream, Utterance

SIZES = {"train": 5, "valid": 3, "test": 4}
FRAMES = {"text": 8, "audio": 12, "vision": 10}
Content = dict[str, dict[str, Any]]


def mmsa(widths: tuple[int, int, int] = (6, 5, 20), aligned: bool = False, sims: bool = False) -> Content:
    """Make a dict as MMSA pickles it: real frames first, text padded with a value that is not 0, as BERT pads."""
    rng, content, video = np.random.default_rng(0), {}, 0
    frames = dict.fromkeys(FRAMES, 8) if aligned else FRAMES
    for split, n in SIZES.items():
        lengths = {m: rng.integers(2, t + 1, n) for m, t in frames.items()}
        if aligned:
            lengths = dict.fromkeys(frames, lengths["text"])
        place = {m: np.arange(t) < lengths[m][:, None] for m, t in frames.items()}
        values = {m: rng.normal(size=(n, frames[m], w)) for m, w in zip(frames, widths, strict=True)}
        values = {m: np.where(place[m][..., None], v, 0).astype(np.float32) for m, v in values.items()}
        values["text"][~place["text"]] = 0.5
        pieces = np.stack([rng.integers(1, 30, (n, 8)) * place["text"], place["text"], np.zeros((n, 8))], 1)
        labels = np.round(rng.uniform(-1, 1, n), 1) if sims else np.round(rng.uniform(-3, 3, n), 1)
        labels[:2] = (1.0, -0.4) if sims else (3.0, -2.6)
        content[split] = {
            "raw_text": np.array(["words"] * n),
            "id": np.array([f"video{video + i // 2}$_${i}" for i in range(n)]),
            "text": values["text"],
            "text_bert": pieces.astype(np.float32),
            "audio": values["audio"],
            "vision": values["vision"],
            "annotations": np.array(["Positive"] * n, object),
            "classification_labels": np.zeros(n),
            "regression_labels": labels.astype(np.float32),
        }
        if not aligned:
            content[split] |= {f"{m}_lengths": lengths[m].tolist() for m in ("audio", "vision")}
        if sims:
            content[split] |= {f"regression_labels_{e}": np.round(rng.uniform(-1, 1, n), 1) for e in "TAV"}
        video += n
    return content


def dump(path: Path, content: Any, protocol: int = 4) -> Path:
    """Pickle `content`."""
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def npz(n: int = 9) -> dict[str, np.ndarray]:
    """Make the arrays of an .npz: vectors of text, frames of audio with lengths, vision left out."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 8, n)
    audio = rng.normal(size=(n, 7, 4)) * (np.arange(7) < lengths[:, None])[..., None]
    return {
        "id": np.array([f"clip{i}_1" for i in range(n)]),
        "split": np.array(["train", "valid", "test"] * (n // 3)),
        "score": np.linspace(-3, 3, n),
        "text": rng.normal(size=(n, 6)).astype(np.float32),
        "audio": audio,
        "audio_lengths": lengths,
    }


def save_npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write the arrays."""
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def utterance(name: str, seed: int = 0, absent: dict[str, str] | None = None) -> Utterance:
    """Make random features of a clip in the form that `extract` writes. absent: stream -> reason."""
    rng, streams = np.random.default_rng(seed), {}
    for stream in STREAMS:
        t = int(rng.integers(2, 6))
        values = rng.normal(size=(t, COMPACT.dims[stream])).astype(np.float32)
        streams[stream] = Stream(values, np.arange(t, dtype=np.float32))
    streams |= {s: Stream.absent(reason) for s, reason in (absent or {}).items()}
    return Utterance(id=name, duration_s=1.0, feature_set=COMPACT.id, **streams)


def extracted_folder(folder: Path) -> tuple[Path, Path]:
    """Write a folder of features of six clips of three speakers, and their table of labels."""
    lines = ["clip,score,split,speaker"]
    for i, split in enumerate(("train", "train", "valid", "valid", "test", "test")):
        name = f"{'abc'[i // 2]}/clip {i}.mp4"
        absent = {"vision": "no face in 1.0 s of video"} if i in (1, 4) else {}
        store.save(utterance(name, i, absent), folder / "features" / f"{name}.npz")
        lines.append(f"{name},{i - 2.5},{split},{'abc'[i // 2]}")
    table = folder / "scores.csv"
    table.write_text("\n".join(lines) + "\n")
    return folder / "features", table


class Call:
    """Object that is pickled as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments
