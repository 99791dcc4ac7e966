"""The work on one clip of many with a large feature set: its models in place of the compact ones."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msa_core import media
from msa_core.cli.many.work import Extraction, Work
from msa_core.config import choose_device
from msa_core.errors import MsaError
from msa_core.features.large import config as settings
from msa_core.features.large import hub
from msa_core.features.large.config import LargeConfig
from msa_core.features.large.models import LargeSet


@dataclass(frozen=True)
class LargeExtraction(Extraction):
    """Features of a clip by the models of `config`, in the precision `dtype`; `cache` keeps what each model made."""

    config: LargeConfig | None = None
    dtype: str = "fp32"
    cache: Path | None = None

    def load(self) -> Work:
        """Find the models on this machine, and load them when the first clip needs them.

        Raises:
            MsaError: they are not there, or are others than where the run was started.
        """
        from msa_core.features.large.cache import Cache
        from msa_core.features.weights import Once
        from msa_core.large import LargeExtractor

        assert self.config is not None
        large = LargeSet.find(self.config, self.dtype)
        if large.feature_set != self.feature_set:
            raise MsaError(
                f"A machine has models that give {large.feature_set.id!r}; the run needs {self.feature_set.id!r}. "
                "Give all machines the same."
            )
        return partial(self._work, Once(lambda: LargeExtractor(large, choose_device(self.device), Cache(self.cache))))


def large_extraction(args: Namespace, source: Path, out: Path) -> LargeExtraction:
    """Find the models that --features names, and write the settings beside the features.

    Raises:
        MsaError: there is no clip, a model is not there or lacks a layer, or `out` holds another feature set.
    """
    if source.is_dir():
        media.files(source)  # a folder without clips is refused before a model is looked for
    config = settings.read(args.features)
    large = LargeSet.find(config, hub.choose_dtype(args.dtype, choose_device(args.device)))
    settings.write(config, large.feature_set.id, out)
    return LargeExtraction(
        source,
        out,
        device=args.device,
        any_language=args.any_language,
        feature_set=large.feature_set,
        config=config,
        dtype=large.dtype,
        cache=None if args.cache is None else Path(args.cache).absolute(),
    )
