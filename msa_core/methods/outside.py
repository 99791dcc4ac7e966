"""Methods from outside the package: files and modules that MSA_METHODS names, imported so that they register."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from msa_core.errors import MsaError

VARIABLE = "MSA_METHODS"
FILE_MODULE = "msa_methods_"  # and the stem of a file: the name of its module


def load(named: str | None = None) -> None:
    """Import methods from outside, each once; importing one runs its code.

    Args:
        named: files ending in .py and names of modules, separated as in PATH; None = those of MSA_METHODS.

    Raises:
        MsaError: a file is not there, or its code fails.
    """
    for entry in (os.environ.get(VARIABLE, "") if named is None else named).split(os.pathsep):
        if not (entry := entry.strip()):
            continue
        try:
            if entry.endswith(".py"):
                _import_file(Path(entry))
            else:
                import_module(entry)
        except MsaError as e:
            raise MsaError(f"{VARIABLE} names {entry}: {e}") from e
        except Exception as e:  # any code may stand there
            raise MsaError(f"{VARIABLE} names {entry}, which cannot be imported ({type(e).__name__}: {e}).") from e


def _import_file(path: Path) -> None:
    """Import a file as a module. Raises: MsaError when it is not there, or another of its name was imported."""
    if not path.is_file():
        raise MsaError("there is no such file. Give its path from the folder that the command runs in.")
    name, path = FILE_MODULE + path.stem, path.resolve()
    if name in sys.modules:
        if sys.modules[name].__file__ != str(path):
            raise MsaError(f"{sys.modules[name].__file__} has the same name. Rename one of them.")
        return
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # known by name before it runs: its dataclasses look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
