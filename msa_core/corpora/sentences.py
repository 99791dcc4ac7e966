"""CMU-MOSI and CMU-MOSEI as text alone, on their standard splits: MiniLM token vectors, no voice and no face.

MOSI: Zadeh et al. 2016, arXiv:1606.06259, 1,284 / 229 / 686 utterances. MOSEI: Zadeh et al. 2018, ACL P18-1208,
16,274 / 1,861 / 4,653. MOSI is written in capitals without punctuation, MOSEI is cased: both pass `texts.clean`
(asides, speaker labels and fillers out, apostrophes back in) and, as a transcript on the page does,
`features.text.normalise`. MiniLM saw no rating of either corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from msa_core.corpora import speech_synthesis
from msa_core.corpora.composite import cache_of
from msa_core.corpora.corpus import Corpus
from msa_core.corpora.ragged import Ragged
from msa_core.corpora.stored_features import counts, numbers
from msa_core.corpora.text_parts import SPLITS, Benchmark, read
from msa_core.errors import MsaError
from msa_core.feature_training.cache import CountProgress, cached, digest, quiet
from msa_core.features import weights
from msa_core.features.text import TextEncoder
from msa_core.schema import STREAMS

NAMES = {"mosi-text": "mosi", "mosei-text": "mosei"}  # of the corpora, and where their utterances come from
FEATURE_SET = "minilm-tokens-v1"
CHUNK = 512  # sentences of one cached file
STATEMENTS = {
    "mosi": "What was said in CMU-MOSI, by its standard split, as text alone: no voice, no face. The words are a human "
    "transcript, better than a recogniser's.",
    "mosei": "What was said in CMU-MOSEI, by its standard split without 68 utterances that the source lacks, as text "
    "alone: no voice, no face. Its raters saw and heard the video, so words cannot explain every rating.",
}
SOURCES = {
    "mosi": "CMU-MOSI, Zadeh et al. 2016, arXiv:1606.06259; YouTube; research use",
    "mosei": "CMU-MOSEI, Zadeh et al. 2018, ACL P18-1208; YouTube; research use",
    "features": "all-MiniLM-L6-v2, Apache-2.0",
}


def build(data: Path, out: Path, name: str = "mosi-text", progress: CountProgress = quiet) -> Corpus:
    """Build `mosi-text` or `mosei-text` from the data below `data` and store it in folder `out`.

    Token vectors are cached beside it (`<out>.cache`). MOSEI takes minutes on one core.

    Args:
        progress: called with (what, done, of).

    Raises:
        MsaError: an unknown name, and when the data or MiniLM are missing.
    """
    if name not in NAMES:
        raise MsaError(f"Unknown corpus {name!r} of sentences. Valid corpora: {', '.join(NAMES)}.")
    benchmark = read(Path(data), NAMES[name])
    encoder = TextEncoder(weights.minilm_directory())
    texts = {text for part in benchmark.parts.values() for text in part.texts if text}
    corpus = assemble(benchmark, token_vectors(sorted(texts), encoder, cache_of(out), progress), encoder.dim)
    corpus.save(out)
    return Corpus.load(out)


def token_vectors(
    sentences: Sequence[str], encoder: TextEncoder, cache: Path, progress: CountProgress = quiet
) -> dict[str, np.ndarray]:
    """Encode sentences to token vectors (T, D) float16, cached chunk by chunk; like lengths go together."""
    ordered = sorted(sentences, key=lambda s: (len(s), s))
    found: dict[str, np.ndarray] = {}
    for chunk in speech_synthesis.chunks(ordered, CHUNK):
        progress("encoding texts", len(found), len(ordered))

        def compute(chunk: Sequence[str] = chunk) -> dict[str, np.ndarray]:
            packed = Ragged.of(encoder.encode(chunk), np.float16, encoder.dim)
            return {"values": packed.values, "offsets": packed.offsets}

        stored = cached(cache / f"texts-{digest(weights.MINILM_REPOSITORY, *chunk)}.npz", compute)
        found |= zip(chunk, np.split(stored["values"], stored["offsets"][1:-1]), strict=True)
    return found


def assemble(benchmark: Benchmark, vectors: Mapping[str, np.ndarray], width: int) -> Corpus:
    """Build the corpus from rated sentences and their token vectors (T, width); no words are absent text."""
    parts = [benchmark.parts[split] for split in SPLITS]
    texts = [t for p in parts for t in p.texts]
    entry = {text: k for k, text in enumerate(dict.fromkeys(filter(None, texts)))}
    if lost := [t for t in entry if t not in vectors]:
        raise MsaError(f"The sentence {lost[0]!r} has no token vectors. Encode every sentence of the corpus.")
    nothing: list[list[int]] = [[] for _ in texts]
    pools = {s: Ragged.of([], np.float32, 1) for s in STREAMS}
    pools |= {"text": Ragged.of([vectors[t] for t in entry], np.float16, width)}
    pools |= {"simulated": Ragged.of([], np.float32, width)}
    index = {s: Ragged.of(nothing, np.int64) for s in STREAMS}
    index["text"] = Ragged.of([[entry[t]] if t else [] for t in texts], np.int64)
    split = np.repeat(SPLITS, [len(p.ids) for p in parts])
    source = benchmark.corpus
    return Corpus(
        name=next(name for name, of in NAMES.items() if of == source),
        feature_set=FEATURE_SET,
        ids=np.array([i for p in parts for i in p.ids]),
        label=np.concatenate([p.ratings for p in parts]).astype(np.float32),
        split=split,
        pools=pools,
        index=index,
        columns={
            "row": np.arange(len(texts), dtype=float),
            "video": numbers(np.array([v for p in parts for v in p.videos])),
        },
        manifest={
            "statement": STATEMENTS[source],
            "utterances": counts(split),
            "videos": {s: len(set(p.videos)) for s, p in benchmark.parts.items()},
            "absent": {"text": texts.count("")},
            "repeated_sentences": len(texts) - texts.count("") - len(entry),
            "test_words_in_training": int(benchmark.seen.sum()),
            "sources": {"text": SOURCES[source], "features": SOURCES["features"]},
        },
    )
