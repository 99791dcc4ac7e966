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
    """Analyse every clip with all modalities and with each single one. Returns: a Markdown table.

    The voice alone brings the text that is simulated from it, as in the tables of corpora; of a method that reads that
    it stands once more without.
    """
    analyser = Analyser.load(device, method)
    name, alone = method_name(method), _alone(analyser, method)
    head = ["clip", "complete model", name, *(f"{name}: {told}" for told, _, _ in alone), "missing", "transcript"]
    paths = (path for folder in folders for path in media.files(folder))
    return markdown_table(head, [_row(analyser, path, method, alone) for path in paths])


def _alone(analyser: Analyser, method: str) -> list[tuple[str, str, str]]:
    """List what is left alone: how a column says it, the modality, and what stands for the words."""
    found = [(f"{m} only", m, "transcript") for m in MODALITIES]
    if analyser.reads_simulated_text(method):
        found.insert(2, ("audio only, no simulated text", "audio", "none"))
    return found


def _row(analyser: Analyser, path: Path, method: str, columns: Sequence[tuple[str, str, str]]) -> list[str]:
    """Write the cells of a clip, columns as of `_alone`; of one that cannot be read its fault."""
    try:
        utterance = analyser.extract(path, MediaLimits.command_line())
        full = analyser.predict(utterance, method)
    except Exception as e:  # of any kind: the other clips are worth their rows
        return [path.name, "-", "-", *("-" for _ in columns), fault(e), ""]
    alone = []
    for _, keep, source in columns:
        if utterance.stream(keep).present:
            dropped = [m for m in MODALITIES if m != keep]
            alone.append(_score(analyser.predict(utterance, method, dropped, source)))
        else:
            alone.append("-")
    gone = [str(full.modalities[m]["reason"]) for m in MODALITIES if not full.modalities[m]["present"]]
    missing = "; ".join(dict.fromkeys(gone))  # words and voice are often missing for one reason
    complete = f"{full.scores['complete_model_full']:+.2f}"
    return [path.name, complete, _score(full), *alone, missing, full.transcript]


def _score(prediction: Prediction) -> str:
    """Write the score of the missing-modality model."""
    return f"{prediction.scores['missing_model_left']:+.2f}"
