"""Clips on a Ray cluster: Ray Data streams their names through actors that hold the models, and the rows come back."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import __version__
from msa_core.cli.many.apart import Ended, apart
from msa_core.cli.many.work import Row, Task, Work, answered, unanswered
from msa_core.cli.many.workers import MOST_TRIES, cores_here, keep_to
from msa_core.config import PACKAGE
from msa_core.errors import MsaError

BLOCK = 4  # clips that an actor works on before their rows come back; fewer in a short run
BLOCKS = 4  # for each actor at least, so that all end at about the same time
ANSWER_S = 60.0  # for a cluster to do nothing, when it is asked whether it is there
OBJECTS_BYTES = 128 * 2**20  # shared memory of Ray on this computer: names and rows only
CORE = "\0missing-modality-lab-core-{}"  # an address without a file, free as soon as its process is gone


def rows(task: Task, source: Path, names: Sequence[str], jobs: int, address: str | None) -> Generator[Row]:
    """Work on clips in `jobs` actors, each with one core and its own models.

    An actor that dies is started again by Ray, and its block with it. A clip of a block that died more than once is
    tried alone, so that it takes no other with it; then its row says that it ended its process.

    Args:
        task: what is done with a clip.
        source: the folder of the clips, which every machine of the cluster sees under this path.
        names: of the clips, relative to `source`.
        jobs: number of actors.
        address: of a cluster; None starts Ray on this computer.

    Raises:
        MsaError: Ray is not installed or cannot be reached, the cluster is too small or gone, or the run cannot go on.
    """
    known = _module()
    if known is not None and known.is_initialized():  # by whoever called: a notebook, a test
        yield from _rows(task, source, names, jobs, None, "")
        return
    folder = "" if address else tempfile.mkdtemp(prefix="ray-")
    try:
        # Ray ends its process when the cluster is gone, so it gets one of its own.
        with closing(apart(_rows, task, source, names, jobs, address, folder)) as found:
            yield from found
    except Ended as e:
        raise _gone(str(e)) from e
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _rows(
    task: Task, source: Path, names: Sequence[str], jobs: int, address: str | None, folder: str
) -> Generator[Row]:
    """Do the work of `rows` in this process; `folder`: of Ray's own files, where it is started on this computer."""
    ray = _ray()
    left = dict.fromkeys(names)
    with _connected(ray, jobs, address, folder):
        try:
            for size in (max(1, min(BLOCK, len(left) // (BLOCKS * jobs))), *[1] * (MOST_TRIES - 1)):
                if not left:
                    return
                with closing(_streamed(ray, task, source, list(left), min(jobs, len(left)), size)) as found:
                    for row in found:
                        if row["clip"] in left:  # a block that died may have brought a part of its rows
                            del left[row["clip"]]
                            yield row
            if left and not _works(ray):
                raise _gone("it answers no more")
        except (ray.exceptions.RayError, ConnectionError, TimeoutError) as e:
            raise _gone(_first_line(e)) from e
    for name in left:
        yield unanswered(source, name, "its actor died")


class Worker:
    """The class that Ray Data maps over blocks of names: an actor with the models of a task."""

    def __init__(self, task: Task, source: Path, version: str) -> None:
        """Load the models; what is wrong with them is told with the first block, in one line."""
        self._source, self._core = source, own_core()
        self._work: Work | None = None
        self._wrong = f"A machine of the cluster has version {__version__}, not {version}. Install the same on all."
        try:
            if version == __version__:
                self._work = task.load()
        except MsaError as e:
            self._wrong = str(e)

    def __call__(self, block: dict[str, np.ndarray]) -> dict[str, list[str]]:
        """Work on the clips of a block. Returns: column "row", the rows as JSON."""
        if self._core is not None:
            keep_to({self._core[0]})  # the thread that calls need not be the one that began
        return {"row": [json.dumps(self._answer(str(name))) for name in block["clip"]]}

    def _answer(self, name: str) -> Row:
        if self._work is None:
            return {"stopped": self._wrong}
        try:
            return answered(self._work, self._source, json.loads(name))
        except MsaError as e:
            return {"stopped": str(e)}


def own_core() -> tuple[int, socket.socket] | None:
    """Take a core of this machine that no other actor has.

    Returns: its number, and what keeps it taken until the process ends; None where every core is taken, or where a
        process cannot be kept to one.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    for core in cores_here():
        taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            taken.bind(CORE.format(core))
        except OSError:
            taken.close()
        else:
            keep_to({core})
            return core, taken
    return None


def _streamed(ray: Any, task: Task, source: Path, names: Sequence[str], jobs: int, size: int) -> Generator[Row]:
    """Stream blocks of `size` clips through `jobs` actors. Raises: MsaError when the run cannot go on."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # their clips are tried again
    items = [{"clip": json.dumps(name)} for name in names]
    data = ray.data.from_items(items, override_num_blocks=max(1, -(-len(items) // size)))
    remote: dict[str, Any] = {"max_restarts": -1, "max_task_retries": 1, "num_cpus": 1}
    if getattr(task, "device", None) == "cuda":
        remote["num_gpus"] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of 2.60: limits of retries have no other place yet
        made = data.map_batches(
            Worker,
            fn_constructor_args=(task, source, __version__),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=jobs, max_tasks_in_flight_per_actor=2),
            **remote,
        )
    with closing(iter(made.iter_rows())) as rows:  # its end ends the actors
        for found in rows:
            row = json.loads(found["row"])
            if "stopped" in row:
                raise MsaError(row["stopped"])
            yield row


@contextmanager
def _connected(ray: Any, jobs: int, address: str | None, folder: str) -> Iterator[None]:
    """Use the cluster at `address`, or one on this computer that ends with the run. Raises: MsaError.

    Args:
        ray: the module.
        jobs: number of actors.
        address: of the cluster; None starts one.
        folder: for the files of one that is started.
    """
    if ray.is_initialized():
        yield
        return
    how: dict[str, Any] = {"address": address}
    if not address:
        how = {"num_cpus": jobs, "include_dashboard": False, "object_store_memory": OBJECTS_BYTES, "_temp_dir": folder}
        how["_system_config"] = {"worker_niceness": 0}  # as that of the processes of --jobs
    try:
        try:
            with _found_by_workers():
                ray.init(log_to_driver=False, logging_level="ERROR", **how)
            logging.getLogger("ray.data").setLevel("CRITICAL")  # a clip whose block died has its reason
        except (ConnectionError, TimeoutError, RuntimeError, ValueError, OSError) as e:
            where = f"Ray at {address!r} cannot be reached" if address else "Ray does not start here"
            raise MsaError(f"{where} ({_first_line(e)}). Check --ray-address, or leave --ray out.") from e
        there = int(ray.cluster_resources().get("CPU", 0))
        if there < jobs:
            raise MsaError(f"--jobs is {jobs}, but the cluster has {there} cores. Give at most that many.")
        yield
    finally:
        with suppress(Exception):  # a cluster that is gone
            ray.shutdown()


@contextmanager
def _found_by_workers() -> Iterator[None]:
    """Let the processes that Ray starts on this computer find the modules that this process finds."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(PACKAGE.parent), *filter(os.path.isdir, sys.path)]))
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _ray() -> Any:
    """Import Ray with its data library. Raises: MsaError when it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as e:
        raise _missing() from e
    return ray


def _module() -> Any:
    """Return the module of Ray if it was imported before. Raises: MsaError when Ray is not installed."""
    try:
        if find_spec("ray") is None:
            raise _missing()
    except ValueError as e:  # hidden from imports
        raise _missing() from e
    return sys.modules.get("ray")


def _missing() -> MsaError:
    return MsaError(
        "Ray is not installed. Install it: pip install 'missing-modality-lab[cluster]', or leave --ray out."
    )


def _works(ray: Any) -> bool:
    """Tell whether the cluster still does what it is asked."""
    asked = ray.remote(num_cpus=0)(_nothing).remote()
    return bool(ray.wait([asked], timeout=ANSWER_S)[0])


def _nothing() -> None:
    """Do nothing, on any machine of the cluster."""


def _gone(why: str) -> MsaError:
    return MsaError(
        f"The cluster is gone, or cannot work on clips ({why}). Every finished clip is kept: the same command goes on "
        "where this one stopped."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
