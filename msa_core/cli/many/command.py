"""Commands `extract` and `analyse` over a folder, and `scale`."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from msa_core import atomic, checkpoint, media
from msa_core.cli import large, options
from msa_core.cli.many.rows import check_table
from msa_core.cli.many.run import Outcome, Place, run
from msa_core.cli.many.work import ASIDE, EXTRACTED, Analysis, Extraction
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.extract import heard_by
from msa_core.methods.shipped import checkpoint_of
from msa_core.missing import switches

SHOWN = 20  # clips that could not be read are printed up to this number; the table has all of them
FEW = 5  # of those that were passed over or set aside


def extract(args: Namespace) -> int:
    """Extract every clip of a folder and print what came of it. Returns: the exit code. Raises: MsaError; OSError."""
    out = Path(args.out).absolute()
    table = Path(args.table) if args.table else out / ("clips.parquet" if args.ray else "clips.csv")
    check_table(table, EXTRACTED, "extract")
    task = _extraction(args, Path(args.folder).absolute(), out)
    others = task.of_other_clips()
    if others:
        raise MsaError(
            f"{args.out} holds the features of {len(others)} other clips, such as {others[0]}, and of none of those in "
            f"{args.folder}. Give each folder of clips an --out of its own, or delete them."
        )
    found = run(task, args.folder, table, _place(args), args.again, renew=True)
    return _said(found, f"{found.clips - len(found.bad)} clips extracted to {args.out}", table, args.folder)


def analyse(args: Namespace, frame_missing_rate: dict[str, float]) -> int:
    """Score every clip of a folder and print what came of it. Returns: the exit code. Raises: MsaError; OSError."""
    one = f"one clip, and {args.clip!r} is a folder. Leave it out, or give a clip."
    options.refuse(args, options.OF_ONE_CLIP, one)
    if args.out is None:
        raise MsaError(f"{args.clip!r} is a folder. Give --out TABLE, which ends in .parquet, .csv or .jsonl.")
    dropped = tuple(sorted({name.strip() for name in args.drop.split(",") if name.strip()}))
    switches(dropped, args.text)
    Degradation(args.blur, args.noise)
    manifest = checkpoint.directory(checkpoint_of(args.method)) / checkpoint.MANIFEST
    checkpoint.read_manifest(manifest.parent)
    task = Analysis(
        method=args.method,
        dropped=dropped,
        text_source=args.text,
        frame_missing_rate=frame_missing_rate,
        blur=args.blur,
        noise_db=args.noise,
        spoken=args.spoken,
        any_language=args.any_language,
        device=args.device,
        features=args.features and Path(args.features).absolute(),
        complete=args.complete,
        dtype=args.dtype,
        whisper=args.whisper,
        checkpoint=checkpoint.sha256(manifest),
    )
    table = Path(args.out)
    found = run(task, args.clip, table, _place(args), args.again)
    return _said(found, f"{found.clips - len(found.bad)} clips scored, one a row of {table}", table, args.clip)


def scale(args: Namespace) -> dict[str, str]:
    """Measure rates, or read those of --measured. Returns: the tables by their blocks. Raises: MsaError; OSError."""
    from msa_core.cli.many import plan
    from msa_core.cli.many import scale as rates

    if args.measured is not None:
        found = rates.earlier(Path(args.measured))
    else:
        found = rates.measured(args.clips, args.repeats, lambda what: print(f"measuring: {what}", file=sys.stderr))
    if args.json is not None:
        atomic.write_text(args.json, json.dumps(found, indent=1) + "\n")
    return {"scale-rates": plan.rates(found), "scale-plan": plan.plan(found, args.plan, args.cores, args.price)}


def _extraction(args: Namespace, source: Path, out: Path) -> Extraction:
    """Make the task of `extract`; the models of a large feature set are found before any clip. Raises: MsaError."""
    if large.asked(args) and args.features is not None:
        from msa_core.cli.many.large_work import large_extraction

        return large_extraction(args, source, out)
    return Extraction(
        source,
        out,
        device=args.device,
        any_language=args.any_language,
        whisper=args.whisper,
        feature_set=heard_by(args.whisper),
    )


def _place(args: Namespace) -> Place:
    """Read where the work is done. Raises: MsaError."""
    if args.ray_address and not args.ray:
        raise MsaError(f"--ray-address is {args.ray_address!r}, but --ray is not there. Give both, or neither.")
    if args.jobs > (os.cpu_count() or 1) and not args.ray:
        raise MsaError(f"--jobs is {args.jobs}, but there are {os.cpu_count()} cores here. Give at most that many.")
    return Place(args.jobs, args.ray, args.ray_address)


def _said(found: Outcome, what: str, table: Path, source: str) -> int:
    """Print what a run came to. Returns: exit code 2 when there were clips and none could be read."""
    print(f"{what}, {len(found.bad)} could not be read. {found.worked_on} of {found.clips} were worked on now.")
    for name, why in list(found.bad.items())[:SHOWN]:
        print(f"  {name}: {why}")
    if len(found.bad) > SHOWN:
        print(f"  and {len(found.bad) - SHOWN} more in {table}")
    aside = [name for name, done in found.aside.items() if done]
    _listed(f"Earlier features whose clip is gone or cannot be read, renamed to end in .npz{ASIDE}", aside)
    strange = [f"{name}.npz" for name, done in found.aside.items() if not done]
    _listed("Features of no clip that was read, left as they are, because extract did not write them", strange)
    _listed("Passed over, because their names end as no clip's do", media.passed_over(source))
    return 2 if found.bad and len(found.bad) == found.clips else 0


def _listed(what: str, names: Sequence[str]) -> None:
    """Print the first of some files, and how many there are; nothing when there are none."""
    if names:
        some = ", ".join(media.label(Path(name)) for name in names[:FEW]) + (", ..." if len(names) > FEW else "")
        print(f"  {what}: {len(names)} ({some})")
