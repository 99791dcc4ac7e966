"""Clips with their true words: a table beside a folder of clips.

The table is a CSV with the columns clip (the name below the folder) and text and, if wanted, split (train or valid).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from msa_core.errors import MsaError

COLUMNS = ("clip", "text")
SPLITS = ("train", "valid")


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
    try:
        with open(table, newline="", encoding="utf-8-sig") as f:
            rows = list(csv.DictReader(f))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise MsaError(f"Cannot read the table {table.name} ({e}). Give a CSV in UTF-8.") from e
    columns = [c for c in (rows[0] if rows else {}) if c]
    lost = [c for c in COLUMNS if c not in columns]
    if lost:
        raise MsaError(f"{table.name} has no column {lost[0]!r} or no rows. Add {', '.join(COLUMNS)}.")
    found: dict[str, Spoken] = {}
    for line, raw in enumerate(rows, start=2):
        row = {k: (v or "").strip() for k, v in raw.items() if k and not isinstance(v, list)}
        name, text, part = row["clip"], row["text"], row.get("split", "")
        if not name or not text or name in found:
            raise MsaError(f"{table.name}, line {line}: give a clip that no other line names, and its words.")
        if "split" in row and part not in SPLITS:
            raise MsaError(f"{table.name}, line {line}: split {part!r}. Valid splits: {', '.join(SPLITS)}.")
        if not (folder / name).is_file():
            raise MsaError(f"{table.name}, line {line}: {name} is not in {folder.name}. Correct its name.")
        found[name] = Spoken(name, folder / name, text, part)
    return list(found.values())
