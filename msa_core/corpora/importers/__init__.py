"""Import of feature files as corpora.

- MMSA and MMSA-FET pickles (mmsa.py, read without running code by safe_pickle.py, token ids encoded by token_ids.py),
  and those of Self-MM, MulT (IEMOCAP too: emotions.py) and CMU-MOSEI (layouts.py)
- one .npz of arrays (npz.py)
- a folder of one's own extracted clips with a table of labels (extracted_folder.py)

Each reader gives a FeatureFile (contents.py): arrays.py checks arrays, padding.py tells frames from padding, scales.py
the scale of the labels; findings.py lists what is wrong with it, check.py prints that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msa_core.corpora.corpus import Corpus
from msa_core.corpora.importers import check, extracted_folder, mmsa, npz
from msa_core.corpora.importers.check import describe, problems, report
from msa_core.corpora.importers.contents import slug
from msa_core.errors import MsaError

READERS: Mapping[str, Callable[..., Corpus]] = dict(
    zip(check.VALID, (mmsa.read, mmsa.read, npz.read, extracted_folder.read), strict=True)
)

__all__ = ["READERS", "describe", "problems", "read", "report"]


def read(
    path: str | Path,
    name: str | None = None,
    table: str | Path | None = None,
    bert: str | Path | None = None,
    repair: bool = False,
    lengths: str = "auto",
    scale: str | None = None,
) -> Corpus:
    """Read the corpus in a feature file, the reader chosen by suffix (READERS).

    Args:
        name: of the corpus; None takes the file's.
        table: scores of the clips, for a folder of extracted features only.
        bert: text model for MMSA files that hold the text as word-piece ids only.
        repair: set values that are not finite to 0; not for a folder, whose clips are extracted again instead.
        lengths: how frames are told from padding in MMSA files (mmsa.read).
        scale: of the labels, "mosi" or "sims"; None tells it by their range; not for a folder.

    Raises:
        MsaError: an unknown suffix, an argument that does not fit it, or what `problems` calls an error.
    """
    kind = check.suffix(path)
    name = name or slug(Path(path).resolve().stem)
    if table is not None and kind != check.FOLDER:
        raise MsaError(f"A table of scores goes with a folder of features, not with {kind}. Leave it out.")
    if bert is not None and READERS[kind] is not mmsa.read:
        raise MsaError(f"bert encodes the text of MMSA pickles; {kind} needs none. Leave it out.")
    check.refuse_options(kind, lengths, scale)
    if kind == check.FOLDER:
        if repair:
            raise MsaError("Features that are not finite cannot be repaired in a folder. Extract the clips again.")
        return extracted_folder.read(path, table, name)  # type: ignore[arg-type]
    if kind == ".npz":
        return npz.read(path, name, repair, scale)
    return mmsa.read(path, name, lengths, bert, repair, scale)
