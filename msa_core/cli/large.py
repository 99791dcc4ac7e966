"""The commands of large feature sets: they take the parsed options, call the library and print."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from msa_core.errors import MsaError


def asked(args: Namespace) -> bool:
    """Tell whether `extract` was asked for other models than those of the compact set.

    Raises:
        MsaError: options do not go together.
    """
    from msa_core.extract import ENGLISH

    own = args.whisper != ENGLISH
    if args.features is None and (args.dtype is not None or args.cache is not None):
        raise MsaError("--dtype and --cache are for a large feature set. Give its --features, or leave them out.")
    if args.features is not None and own:
        raise MsaError("The feature set itself says what hears the words ('transcriber'). Leave --whisper out.")
    return args.features is not None or own


def train_projector(args: Namespace) -> None:
    """Train the projector of a large feature set's text simulation."""
    from msa_core.config import choose_device, from_dict
    from msa_core.feature_training import speech_projector, transcripts
    from msa_core.features.large import config, hub, speech
    from msa_core.features.large.cache import Cache
    from msa_core.features.large.text import LargeText, find
    from msa_core.training.command import values_of

    training = from_dict(speech_projector.ProjectorTraining, values_of(args.set))
    features = config.read(args.features)
    own = features.simulated
    if own is None:
        raise MsaError(f"{Path(args.features).name} has no 'simulated' part. Add it (docs/large-features.md).")
    spoken = transcripts.read(args.clips, args.table)
    out = features.folder / own.projector
    device = choose_device(args.device)
    dtype = hub.choose_dtype(args.dtype or ("bf16" if device == "cuda" else None), device)
    hears, words = speech.find(own.speech, features.folder), find(features.text, features.folder, True)
    run = speech_projector.ProjectorRun(
        speech.load(hears, dtype, device),
        LargeText(words, True, dtype, device),
        own,
        spoken,
        out,
        training,
        Cache(None if args.cache is None else Path(args.cache)),
    )
    print(f"{run.run(lambda line: print(line, file=sys.stderr))}: {len(spoken) - len(run.skipped)} clips")
    for name, why in run.skipped.items():
        print(f"  {name}: {why}")
