"""The entry point of the command line: `python -m msa_core COMMAND`, installed as `missing-modality-lab`.

Exit codes: 0 success; 2 bad usage or bad input, one line on standard error; 130 interrupted; 1 a fault of the program.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence

from msa_core.cli import output
from msa_core.cli.parser import parser
from msa_core.errors import MsaError, ProcessError

COLLECT_AFTER = 50_000  # new objects: nearly all that a command makes while it imports libraries stays


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(argv)
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our bars and quotes still gets the numbers
    try:
        if getattr(args, "device", None) == "cuda":
            _needs_cuda()
        _needs_one_process(args.command)
        output.check(args)
        return int(args.run(args) or 0)
    except MsaError as e:
        if _rank() == 0 or isinstance(e, ProcessError):  # of an error that all have, one speaks
            print(f"msa_core {args.command}: {' '.join(str(e).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # before OSError, which it is one of
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as e:  # a full disk, a folder without rights: nothing half written is left
        where = f": {e.filename}" if e.filename else ""
        print(f"msa_core {args.command}: {e.strerror or e or type(e).__name__}{where}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"msa_core {args.command}: interrupted", file=sys.stderr)
        return 130


def _rank() -> int:
    """Return the number of this process among those that a launcher started; 0 without one."""
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdecimal() else 0


def _needs_one_process(command: str) -> None:
    """Check that a launcher starts several processes of `train` only. Raises: MsaError."""
    several = os.environ.get("WORLD_SIZE", "1")
    if command != "train" and several.isdecimal() and int(several) > 1:
        raise MsaError(f"{several} processes were started, and only train shares its work. Start {command} alone.")


def _needs_cuda() -> None:
    """Check that a GPU can be used. Raises: MsaError."""
    from msa_core.config import choose_device

    if choose_device() != "cuda":
        raise MsaError("--device is 'cuda', but there is no usable GPU here. Leave --device out, or give cpu.")


if __name__ == "__main__":
    sys.exit(main())
