"""Multimodal sentiment analysis when a modality is missing: one video from file to score.

The line, in the order of its modules:

    media    open and probe a clip, give its sound and pictures
    degrade  blur the pictures, add noise to the sound
    extract  turn the clip into an `Utterance`: text, audio, vision and simulated text
    edit     change or strike words
    missing  remove modalities and frames
    batch    pad utterances to a `Batch`
    predict  score the batch with every model and explain the score: a `Prediction`
    compare  score one clip under every pattern and rate

Its ground: errors, atomic, tables, i18n, schema, config and checkpoint. The folders:

    features          the networks that read speech, text, voice and face
    methods           late fusion, SDUMC, CorrKD and ProMMA
    explain           Shapley values, timeline, intervals
    feature_training  training of our own feature networks
    corpora           data sets and their importers
    training          training of the methods
    evaluation        protocols, metrics, results
    views             results as HTML, CSV and text
    lessons           the exercises of the page and their handout
    page              the page itself
    soak              many visitors at once on the page
    cli               the command line
    static            styles, scripts, translations
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msa_core.batch import collate
    from msa_core.config import MediaLimits
    from msa_core.degrade import Degradation
    from msa_core.errors import CheckpointError, FeatureError, MediaError, MsaError
    from msa_core.extract import Extractor
    from msa_core.methods import METHODS
    from msa_core.missing import PATTERNS
    from msa_core.predict import Analyser
    from msa_core.schema import Batch, Prediction, Stream, Utterance

__version__ = "0.1.0"
__all__ = [
    "METHODS",
    "PATTERNS",
    "Analyser",
    "Batch",
    "CheckpointError",
    "Degradation",
    "Extractor",
    "FeatureError",
    "MediaError",
    "MediaLimits",
    "MsaError",
    "Prediction",
    "Stream",
    "Utterance",
    "collate",
]
_HOME = {  # public name -> its module, which is imported when the name is used
    **dict.fromkeys(("MsaError", "MediaError", "FeatureError", "CheckpointError"), "errors"),
    **dict.fromkeys(("Utterance", "Stream", "Batch", "Prediction"), "schema"),
    "MediaLimits": "config",
    "Degradation": "degrade",
    "Extractor": "extract",
    "PATTERNS": "missing",
    "collate": "batch",
    "METHODS": "methods",
    "Analyser": "predict",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    """List the public names before they are imported."""
    return sorted({*globals(), *__all__})
