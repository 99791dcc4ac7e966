"""What an option does that is given more than once or has nothing to do: it adds to a list, or is refused."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from msa_core.errors import MsaError

# Options of `analyse` with their defaults.
OF_A_FOLDER = {"out": None, "jobs": 1, "ray": False, "ray_address": None, "again": False}
OF_A_REPORT = {"language": "en", "no_pictures": False}
OF_ONE_CLIP = {"json": None, "csv": None, "report": None, "transcript": None, **OF_A_REPORT}


def refuse(args: argparse.Namespace, unused: Mapping[str, Any], why: str) -> None:
    """Refuse an option that would do nothing.

    Args:
        args: the parsed options.
        unused: names of options that do nothing here, with their defaults.
        why: what they are for, and the way out.

    Raises:
        MsaError: naming the first that was given.
    """
    for name, default in unused.items():
        if getattr(args, name) != default:
            raise MsaError(f"--{name.replace('_', '-')} is for {why}")


class Joined(argparse.Action):
    """Join the lists of an option that is given several times by commas."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Add a list to those before it."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before},{values}" if before else values)


class Once(argparse.Action):
    """Store the value of an argument, and refuse an option that is given twice: only its last value would count.

    Raises: argparse.ArgumentError with both values.
    """

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Store a value."""
        given = namespace.__dict__.setdefault("_given", set())
        if self.option_strings and self.dest in given:
            first = getattr(namespace, self.dest)
            raise argparse.ArgumentError(self, f"is given twice, as {first!r} and as {values!r}. Give it once.")
        given.add(self.dest)
        setattr(namespace, self.dest, values)
