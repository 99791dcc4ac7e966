"""What an option does that is given more than once: it adds to a list, or is refused."""

from __future__ import annotations

import argparse
from typing import Any


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
