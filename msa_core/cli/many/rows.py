"""Rows of a run on disk: a journal that every row joins at once, and the table that is made of it."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from msa_core import atomic
from msa_core.cli.many.work import COMMON, EXTRACTED, JOURNAL, Row, Task, stamp
from msa_core.cli.output import OTHER_FILES
from msa_core.errors import MsaError, shortened
from msa_core.views.csv_safe import given, harmless

SUFFIXES = (".parquet", ".csv", ".jsonl")
CHUNK = 10_000  # rows of a table that are in memory together
LONGEST = 2**24  # bytes of a first line that may be one of ours
SHOWN = 100  # characters of the columns of a table that is not ours


class Journal:
    """The finished clips of a run, one JSON object a line after a line of settings, in the order of their end.

    A row is written when its clip is finished, so a run that ends in any way loses none. A clip that was answered
    again has a later row, which counts.
    """

    def __init__(self, table: Path, task: Task, renew: bool) -> None:
        """Open the journal beside a table for one run, or begin it.

        Args:
            table: the table; its journal has the same name with JOURNAL.
            task: whose settings and columns the rows have.
            renew: begin anew when the rows there are of other settings; otherwise they are refused, and so are
                those of another command.

        Raises:
            MsaError: rows of other settings, a damaged line, another run that writes it, or a folder that cannot be
                written to.
        """
        self.path, self._task = table.with_suffix(JOURNAL), task
        self._rows: dict[str, tuple[int, bool, tuple[int | None, ...]]] = {}  # name -> place, bad, what was known of it
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "ab", buffering=0)  # unbuffered: a row is there, or it is an error
        except OSError as e:
            raise MsaError(f"Cannot write {self.path} ({e.strerror}). Give another --out.") from e
        try:
            _lock(self._file, self.path.name)
            self._read(table, renew)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        """Write the row of a finished clip. Raises: OSError, and then the journal is as it was."""
        self._know(row, self._write(row))

    def finished(self, name: str, source: Path, again: bool) -> bool:
        """Tell whether a clip has its row, and neither it nor what the work left was changed since.

        Args:
            name: of the clip, relative to `source`.
            source: the folder of the clips.
            again: clips that could not be read count as unfinished.
        """
        if name not in self._rows:
            return False
        _, bad, known = self._rows[name]
        if bad:
            return not again and known[:2] == tuple(stamp(source / name).values())
        return known == (*stamp(source / name).values(), self._task.left_bytes(name))

    def rows(self, names: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of clips in the order of their names, with every column; a clip without one is left out."""
        columns = [*COMMON, *self._task.columns]
        with open(self.path, "rb") as file:
            for name in sorted(names):
                if name in self._rows:
                    file.seek(self._rows[name][0])
                    row = json.loads(file.readline())
                    yield {column: _encodable(row.get(column)) for column in columns}

    def reasons(self, names: Sequence[str]) -> dict[str, str]:
        """Return the reason of every clip that could not be read, by its name."""
        bad = [name for name in names if name in self._rows and self._rows[name][1]]
        return {row["clip"]: row["reason"] for row in self.rows(bad)}

    def _read(self, table: Path, renew: bool) -> None:
        """Read what is there; a last line that was cut off is taken away. Raises: MsaError."""
        place, settings = 0, json.loads(json.dumps(self._task.settings))
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    found = json.loads(line)
                    if number > 1:
                        self._know(found, place)
                    elif found["settings"] != settings:
                        if not renew or found["settings"].get("command") != settings.get("command"):
                            raise MsaError(_others(table, self.path, found["settings"], settings))
                        break
                except (ValueError, LookupError, TypeError, AttributeError) as e:
                    raise MsaError(
                        f"{self.path}, line {number} is no row ({type(e).__name__}). Delete the line, or the file to "
                        "begin anew."
                    ) from e
                place += len(line)
        self._file.truncate(place)
        if place == 0:
            self._write({"settings": settings})

    def _write(self, row: Row) -> int:
        """Write a line and return where it begins. Raises: OSError, and then the journal is as it was."""
        place, line = self._file.seek(0, os.SEEK_END), _line(row)
        try:
            if self._file.write(line) != len(line):  # a disk that had place for a part of it
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            with suppress(OSError):
                self._file.truncate(place)
            raise
        return place

    def _know(self, row: Row, place: int) -> None:
        known = row["size_bytes"], row["modified_ns"], row.get("features_bytes")
        self._rows[row["clip"]] = place, row.get("reason") is not None, known


def check_table(table: Path, columns: Mapping[str, str], command: str) -> Path:
    """Return the path of a table that can be written without the loss of another.

    Args:
        table: the file; one that is there is known as ours by its columns.
        columns: those that will be written, beside COMMON.
        command: that will write it.

    Raises:
        MsaError: another suffix, Parquet without pyarrow, or a file that the command did not write.
    """
    if table.suffix not in SUFFIXES:
        raise MsaError(f"The table is {table.name!r}; give a file that ends in {', '.join(SUFFIXES)}.")
    if table.suffix == ".parquet":
        _pyarrow()
    if not table.is_dir() and not (table.is_file() and table.stat().st_size):  # a pipe or an empty file loses nothing
        return table
    found = _columns(table)
    if found != [*COMMON, *columns]:
        option = OTHER_FILES.get(command, "table")
        known = f"its columns: {shortened(', '.join(found), SHOWN)}" if found else "no columns can be read from it"
        raise MsaError(
            f"{table} is there already, and is no table that {command} writes ({known}). "
            f"Give another --{option} to keep it, or move it away."
        )
    return table


def _columns(table: Path) -> list[str]:
    """Read the names of the columns of a table by its suffix; none where they cannot be read."""
    try:
        if table.suffix == ".parquet":
            import pyarrow.parquet as pq

            return list(pq.read_schema(table).names)
        with open(table, "rb") as file:
            line = file.readline(LONGEST).decode()
        return list({**json.loads(line)}) if table.suffix == ".jsonl" else next(csv.reader([line]), [])
    except (OSError, ValueError, TypeError, RecursionError, csv.Error):
        return []


def unread(features: Path) -> dict[str, str]:
    """Read the clips that `extract` could not read, with their reasons, from its newest table in a folder of features.

    Raises:
        MsaError: the table cannot be read.
    """
    tables = [file for file in features.iterdir() if file.suffix in SUFFIXES and file.is_file()]
    if any(table.suffix == ".parquet" for table in tables):
        _pyarrow()
    ours = [table for table in tables if _columns(table) == [*COMMON, *EXTRACTED]]
    if not ours:
        return {}
    newest = max(ours, key=lambda table: table.stat().st_mtime_ns)
    try:
        return {row["clip"]: row["reason"] for row in _READERS[newest.suffix](newest) if row["reason"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as e:
        raise MsaError(
            f"{newest} cannot be read ({type(e).__name__}). Write it again with extract, or delete it."
        ) from e


def write_table(table: Path, rows: Iterator[Row], columns: Mapping[str, str]) -> None:
    """Write rows as the table that its suffix names, whole or not at all.

    Args:
        table: the file.
        rows: with every column.
        columns: names and kinds, beside COMMON.

    Raises:
        OSError: it cannot be written.
    """
    with atomic.replaced_file(table) as part:
        _WRITERS[table.suffix](part, rows, {**COMMON, **columns})


def _csv(path: Path, rows: Iterator[Row], columns: Mapping[str, str]) -> None:
    """Write CSV; a text that a spreadsheet would calculate gets an apostrophe before it."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([harmless(v) if isinstance(v, str) else v for v in row.values()])


def _jsonl(path: Path, rows: Iterator[Row], columns: Mapping[str, str]) -> None:
    """Write one JSON object a line."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _parquet(path: Path, rows: Iterator[Row], columns: Mapping[str, str]) -> None:
    """Write Parquet with one type a column, CHUNK rows at a time."""
    pa = _pyarrow()
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "number": pa.float64(), "whole": pa.int64()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    with pq.ParquetWriter(path, schema) as writer:
        chunk: list[Row] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == CHUNK:
                writer.write_table(pa.Table.from_pylist(chunk, schema))
                chunk = []
        writer.write_table(pa.Table.from_pylist(chunk, schema))


_WRITERS: dict[str, Callable[[Path, Iterator[Row], Mapping[str, str]], None]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
}


def _read_csv(path: Path) -> Iterator[Row]:
    """Read CSV that `_csv` wrote."""
    with open(path, newline="", encoding="utf-8") as file:
        yield from ({column: given(value) for column, value in row.items()} for row in csv.DictReader(file))


def _read_jsonl(path: Path) -> Iterator[Row]:
    """Read one JSON object a line."""
    with open(path, encoding="utf-8") as file:
        yield from map(json.loads, file)


def _read_parquet(path: Path) -> Iterator[Row]:
    """Read the clips and reasons of Parquet."""
    import pyarrow.parquet as pq

    yield from pq.read_table(path, columns=["clip", "reason"]).to_pylist()


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
}


def _pyarrow() -> Any:
    """Import pyarrow. Raises: MsaError when it is not installed."""
    try:
        import pyarrow
    except ImportError as e:
        raise MsaError(
            "Parquet needs pyarrow. Install it: pip install 'missing-modality-lab[cluster]', or give a table that "
            "ends in .csv or .jsonl."
        ) from e
    return pyarrow


def _line(row: Row) -> bytes:
    return json.dumps(row, allow_nan=False).encode() + b"\n"  # in ASCII: the name of a file need not be UTF-8


def _encodable(value: Any) -> Any:
    """Replace in a text what UTF-8 cannot hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _others(table: Path, journal: Path, found: Row, wanted: Row) -> str:
    """Word how the rows that are there differ from those that were asked for."""
    differs = next(k for k in {**found, **wanted} if found.get(k) != wanted.get(k))
    values = f"{differs} {json.dumps(found.get(differs))}, now {json.dumps(wanted.get(differs))}"
    return f"{journal} holds rows of other settings ({values}). Give another --out than {table.name}, or delete it."


def _lock(file: FileIO, name: str) -> None:
    """Keep other runs from a journal until this process ends, where the system can. Raises: MsaError."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise MsaError(f"Another run writes {name}. Wait for its end, or give another --out.") from e
    except OSError:  # a file system without locks
        return
