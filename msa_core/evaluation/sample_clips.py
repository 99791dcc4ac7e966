"""A Markdown table of real clips: the scores of every clip of some folders, and the reasons of what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.errors import fault
from msa_core.methods import method_name
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction
from msa_core.tables import markdown_table


def table(folders: Sequence[Path], method: str = "sdumc", device: str | None = None) -> str:
    """Analyse every clip with all modalities and with each single one. Returns: a Markdown table."""
    analyser = Analyser.load(device, method)
    name = method_name(method)
    head = ["clip", "complete model", name, *(f"{name}: {m} only" for m in MODALITIES), "missing", "transcript"]
    paths = (path for folder in folders for path in media.files(folder))
    return markdown_table(head, [_row(analyser, path, method) for path in paths])


def _row(analyser: Analyser, path: Path, method: str) -> list[str]:
    """Write the cells of a clip; of one that cannot be read its fault."""
    try:
        utterance = analyser.extract(path, MediaLimits.command_line())
        full = analyser.predict(utterance, method)
    except Exception as e:  # of any kind: the other clips are worth their rows
        return [path.name, "-", "-", "-", "-", "-", fault(e), ""]
    alone = []
    for keep in MODALITIES:
        if utterance.stream(keep).present:
            dropped = [m for m in MODALITIES if m != keep]
            source = "transcript" if keep == "text" else "none"
            alone.append(_score(analyser.predict(utterance, method, dropped, source)))
        else:
            alone.append("-")
    missing = "; ".join(str(full.modalities[m]["reason"]) for m in MODALITIES if not full.modalities[m]["present"])
    complete = f"{full.scores['complete_model_full']:+.2f}"
    return [path.name, complete, _score(full), *alone, missing, full.transcript]


def _score(prediction: Prediction) -> str:
    """Write the score of the missing-modality model."""
    return f"{prediction.scores['missing_model_left']:+.2f}"
