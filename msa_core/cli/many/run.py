"""A run over a folder of clips: what is not finished yet is worked on, and the table of all clips is written."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from msa_core.cli.many import cluster, workers
from msa_core.cli.many.rows import Journal, check_table, unread, write_table
from msa_core.cli.many.work import COMMON, FEATURES, Row, Task, clip_of
from msa_core.errors import MsaError


@dataclass(frozen=True)
class Place:
    """Where a run works.

    jobs: processes of this computer, or actors. ray: actors of a Ray cluster in place of processes. address: of the
    cluster; None starts Ray on this computer. cores: of every process; None shares those of this computer out.
    """

    jobs: int = 1
    ray: bool = False
    address: str | None = None
    cores: int | None = None

    def rows(self, task: Task, source: Path, names: Sequence[str]) -> Generator[Row]:
        """Work on clips and yield their rows as they are finished. Raises: MsaError when the run cannot go on."""
        if self.ray and names:
            return cluster.rows(task, source, names, self.jobs, self.address)
        if not names or (self.jobs == 1 and self.cores is None):
            return workers.here(task, source, names)
        return workers.side_by_side(task, source, names, self.jobs, self.cores)


@dataclass(frozen=True)
class Outcome:
    """What a run came to: clips in the table, the reasons of those that could not be read, and clips worked on.

    aside: clips that are gone or could not be read, of which files were left -> whether these were set aside; False
    for files that the task did not write.
    """

    clips: int
    bad: dict[str, str]
    worked_on: int
    aside: dict[str, bool] = field(default_factory=dict)


def run(
    task: Task,
    source: str | Path,
    table: str | Path,
    place: Place | None = None,
    again: bool = False,
    renew: bool = False,
    told: Callable[[Row], None] = lambda row: None,
) -> Outcome:
    """Work on every clip of a folder that is not finished, then write the table of all of them.

    A run that was ended goes on where it stopped. A clip is finished when it has a row in the journal beside the
    table and was not changed since; one that could not be read is finished, too. Files that earlier runs left of a
    clip that is gone or cannot be read are set aside. Of features, clips that `extract` could not read are rows too.

    Args:
        task: what is done with a clip.
        source: a folder of clips; its subfolders are searched.
        table: the file to write; its suffix is one of rows.SUFFIXES.
        place: where the work is done; None works in this process.
        again: try the clips anew that could not be read.
        renew: begin anew where the rows that are there are of other settings; otherwise they are refused.
        told: called with every row as it is finished.

    Raises:
        MsaError: there is no clip, the table cannot be written or is another's, or the run cannot go on; what is
            finished is kept.
        OSError: the disk is full.
    """
    source, table = Path(source).absolute(), check_table(Path(table), task.columns, task.settings["command"])
    if not source.is_dir():
        raise MsaError(f"There is no folder {source.name}. Check its path and name.")
    names = [clip.relative_to(source).as_posix() for clip in task.clips(source)]
    reasons = unread(source) if any(name.endswith(FEATURES) for name in names) else {}
    for name in map(clip_of, names):
        reasons.pop(name, None)
    with Journal(table, task, renew) as journal:
        left = [name for name in names if not journal.finished(name, source, again)]
        kept = {*names}.difference(journal.reasons(names))
        aside = {name: task.set_aside(name) for name in task.left() if name not in kept}  # None: nothing there
        bar = tqdm(total=len(names), initial=len(names) - len(left), desc=table.stem, unit="clip")
        with closing((place or Place()).rows(task, source, left)) as rows, bar:  # whoever stops it ends the work too
            for row in rows:
                if row.get("reason") is None:
                    aside.pop(row["clip"], None)  # it came back
                elif (done := task.set_aside(row["clip"])) is not None:
                    aside[row["clip"]] = done
                journal.add(row)
                told(row)
                bar.update()
        named = ({**row, "clip": clip_of(row["clip"])} for row in journal.rows(names))
        others = ({**dict.fromkeys([*COMMON, *task.columns]), "clip": n, "reason": reasons[n]} for n in sorted(reasons))
        write_table(table, heapq.merge(named, others, key=lambda row: row["clip"]), task.columns)
        there = {name: done for name, done in aside.items() if done is not None}
        bad = reasons | {clip_of(name): why for name, why in journal.reasons(names).items()}
        return Outcome(len(names) + len(reasons), bad, len(left), there)
