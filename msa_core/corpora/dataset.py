"""A corpus as Hugging Face `datasets` hold it: one data set a split, every stream as its frames without padding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msa_core.corpora.corpus import SPLITS, Corpus
from msa_core.errors import MsaError
from msa_core.schema import STREAMS

if TYPE_CHECKING:
    import datasets


def as_dataset(corpus: Corpus | str | Path, cache_dir: str | Path | None = None) -> datasets.DatasetDict:
    """Make a `datasets.DatasetDict` of a corpus, with a data set for each of its splits.

    The rows are those of `Corpus.examples`, which gives them without `datasets`. They are written to the cache of
    `datasets` once, and read from there without filling the memory.

    Args:
        corpus: a loaded corpus, or the folder of one.
        cache_dir: of `datasets`; None takes its own.

    Returns:
        Columns id, label (score in [-3, 3]), split, those of the corpus, and every stream (T, D) float32, T = 0 where
        it is absent.

    Raises:
        MsaError: `datasets` is not installed, or the folder holds no corpus.

    >>> as_dataset("nowhere")
    Traceback (most recent call last):
    msa_core.errors.MsaError: nowhere holds no corpus (manifest.json is missing). Build it again (docs/corpora.md).
    """
    try:
        import datasets
    except ImportError as e:
        raise MsaError(
            "datasets is not installed. Install it: pip install 'missing-modality-lab[hub]', or use Corpus.examples, "
            "which yields the same rows without it."
        ) from e
    if not isinstance(corpus, Corpus):
        corpus = Corpus.load(Path(corpus))
    text, number = datasets.Value("string"), datasets.Value("float64")
    columns: dict[str, Any] = {"id": text, "label": number, "split": text, **dict.fromkeys(corpus.columns, number)}
    for stream in STREAMS:
        frame = datasets.Sequence(datasets.Value("float32"), length=corpus.dims[stream])
        columns[stream] = datasets.Sequence(frame)
    made = {}
    for split in SPLITS:
        if (corpus.split == split).any():
            made[split] = datasets.Dataset.from_generator(
                corpus.examples,
                features=datasets.Features(columns),
                gen_kwargs={"split": split},
                cache_dir=None if cache_dir is None else str(cache_dir),
                split=datasets.NamedSplit(split),
                fingerprint=f"{corpus.digest[:32]}{split}",  # the same corpus is written once
            )
    return datasets.DatasetDict(made)
