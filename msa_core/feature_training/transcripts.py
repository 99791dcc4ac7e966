"""Clips with their true words: a table beside a folder of clips.

The table is a CSV with the columns clip (the name below the folder) and text and, if wanted, split (train or valid).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msa_core.errors import MsaError, shortened
from msa_core.tables import names_file, read_csv

COLUMNS = ("clip", "text")
SPLITS = ("train", "valid")
SHOWN = 100  # characters of a name in a message


@dataclass(frozen=True)
class Spoken:
    """Clip and what is said in it; split is empty where the table has none."""

    name: str
    path: Path
    text: str
    split: str = ""


def read(folder: str | Path, table_csv: str | Path) -> list[Spoken]:
    """Read the table of a folder of clips.

    Raises:
        MsaError: the table cannot be read, a row is wrong, or a clip is not there.
    """
    folder, table = Path(folder), Path(table_csv)
    found: dict[str, Spoken] = {}
    for line, row in read_csv(table, COLUMNS):
        name, text, part = row["clip"], row["text"], row.get("split", "")
        if not name or not text or name in found:
            raise MsaError(f"{table.name}, line {line}: give a clip that no other line names, and its words.")
        if "split" in row and part not in SPLITS:
            raise MsaError(f"{table.name}, line {line}: split {part!r}. Valid splits: {', '.join(SPLITS)}.")
        if not names_file(folder / name):
            seen = shortened(name, SHOWN)
            raise MsaError(f"{table.name}, line {line}: {seen} is not in {folder.name}. Correct its name.")
        found[name] = Spoken(name, folder / name, text, part)
    return list(found.values())
