"""What pyproject.toml declares, and requirement lines to compare with it."""

import re
import sys

from paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def ranges(lines: list[str]) -> dict[str, str]:
    """Requirement lines by package: the range and the marker, without blanks and in one style of quotes."""
    found = {}
    for line in lines:
        name, rest = re.fullmatch(r"([\w-]+)(.*)", line.split("#")[0].strip()).groups()
        found[name] = re.sub(r"\s", "", rest).replace("'", '"')
    return found
