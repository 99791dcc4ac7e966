"""Folders that tests read from."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data"  # research data; where it is not, the tests that need it say so and are skipped
