"""The rules of the Hugging Face Hub for a Space, checked before anything is pushed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from msa_core.errors import MsaError

LONGEST = {"short_description": 60}  # characters that the Hub takes
COLOURS = "red yellow green blue indigo purple pink gray".split()
NEEDED = ("title", "sdk", "sdk_version", "app_file")
LARGE_BYTES = 10 * 2**20  # the Hub takes a larger file through LFS or Xet only
BINARY_PROBE_BYTES = 8000  # as git: a NUL in the beginning makes a file binary
PUSH = """To publish: the Hub refuses a plain `git push` of binary files, and this repository keeps them in plain git,
so that a clone needs no git-lfs. Upload the files instead (Xet stores the binary ones; nothing here changes):
  pip install -U huggingface_hub && hf auth login
  mkdir ../space && git archive HEAD | tar -x -C ../space && hf upload --repo-type space OWNER/NAME ../space .
Or push a copy whose binary files are in LFS (git-lfs installed):
  git clone . ../space-lfs && cd ../space-lfs && git lfs migrate import --everything --include="{patterns}"
  git remote add hub https://huggingface.co/spaces/OWNER/NAME && git push hub HEAD:main"""


def check(folder: Path) -> tuple[list[str], list[str]]:
    """Check a checkout against the Hub's rules.

    Returns: the errors, which the Hub would refuse in any case; and what must be done to push, line by line.

    Raises: MsaError when the folder is no git repository or has no README.md.
    """
    try:
        card = (folder / "README.md").read_text(encoding="utf-8")
    except OSError as e:
        raise MsaError(f"{folder} has no README.md ({e.strerror}). Give the folder of the checkout.") from e
    files = _tracked(folder)
    away = _in_lfs(folder, files)
    plain = [name for name in files if name not in away]
    large = {name: size for name in plain if (size := (folder / name).stat().st_size) > LARGE_BYTES}
    errors = front_matter_errors(card, folder)
    errors += [
        f"{n} is {s / 2**20:.0f} MB: above 10 MB the Hub takes files by LFS or Xet only" for n, s in large.items()
    ]
    binary = [name for name in plain if is_binary(folder / name)]
    if not binary:
        return errors, []
    patterns = ",".join(sorted({f"*{Path(name).suffix}" if Path(name).suffix else name for name in binary}))
    steps = PUSH.format(patterns=patterns).split("\n")
    return errors, [f"binary files in plain git, {len(binary)} in all: {patterns}", *steps]


def front_matter_errors(card: str, folder: Path) -> list[str]:
    """Return what the Hub would refuse in the front matter of a README."""
    found = re.match(r"---\n(.*?)\n---\n", card, re.S)
    if not found:
        return ["README.md does not begin with front matter between two lines ---"]
    settings = {k: v.strip().strip("\"'") for k, v in re.findall(r"^(\w+):[ \t]*(.*)$", found[1], re.M)}
    errors = [f"the front matter lacks {name}" for name in NEEDED if not settings.get(name)]
    errors += [f"{name} has {len(settings[name])} characters; the Hub takes {longest}"
               for name, longest in LONGEST.items() if len(settings.get(name, "")) > longest]  # fmt: skip
    errors += [f"{name} is {settings[name]}; the Hub takes {', '.join(COLOURS)}"
               for name in ("colorFrom", "colorTo") if settings.get(name, COLOURS[0]) not in COLOURS]  # fmt: skip
    app = settings.get("app_file")
    return errors + ([f"app_file is {app}, which is not there"] if app and not (folder / app).is_file() else [])


def is_binary(path: Path) -> bool:
    """Return whether git takes a file for binary."""
    with open(path, "rb") as file:
        return b"\0" in file.read(BINARY_PROBE_BYTES)


def _tracked(folder: Path) -> list[str]:
    """Return the files under git that are there. Raises: MsaError."""
    listed = _git(folder, "ls-files", "-z").split("\0")
    return [name for name in listed if name and (folder / name).is_file()]


def _in_lfs(folder: Path, names: list[str]) -> set[str]:
    """Return those of the files that an attribute puts into LFS."""
    told = _git(folder, "check-attr", "-z", "filter", "--", *names).split("\0")
    return {name for name, value in zip(told[0::3], told[2::3], strict=False) if value == "lfs"}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        raise MsaError(f"{folder} cannot be read by git. Give the folder of a checkout, with git installed.") from e
    return done.stdout
