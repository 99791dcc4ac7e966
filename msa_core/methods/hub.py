"""Methods on the Hugging Face Hub: the contract of huggingface_hub's mixin over our verified checkpoints.

`PyTorchModelHubMixin` itself rebuilds a model from the arguments of its class and loads weights unseen. Ours checks
hashes and recorded scores and brings the teacher along, so the two calls stand here, with its names and arguments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from msa_core import atomic, checkpoint
from msa_core.checkpoint import GOLDEN, MANIFEST, MODEL
from msa_core.errors import CheckpointError
from msa_core.methods.card import CARD, card
from msa_core.methods.registry import method_of
from msa_core.methods.shipped import Loaded, load_verified, teacher_folder

FILES = ["*.safetensors", "*.json", "*.md"]  # of a repository on the Hub
REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class Pretrained(Loaded):
    """A verified model with its manifest, its teacher if it has one, and the folder that it was read from."""

    folder: Path = Path()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        device: str = "cpu",
    ) -> Pretrained:
        """Load a checkpoint of a method and check it against its hashes and recorded scores.

        Args:
            pretrained_model_name_or_path: a folder, the name of a shipped checkpoint, or OWNER/NAME of a repository on
                the Hub when there is no such folder: only then is the network used.
            revision, token, cache_dir, force_download, local_files_only: of the download, as huggingface_hub has them.

        Raises:
            CheckpointError: it is not there, cannot be fetched, was altered, or is no method's.
        """
        given = str(pretrained_model_name_or_path)
        if not Path(given).is_dir() and given not in checkpoint.available() and REPOSITORY.fullmatch(given):
            options = {"revision": revision, "token": token, "cache_dir": cache_dir, "force_download": force_download}
            folder = _fetched(given, local_files_only=local_files_only, **options)
        else:
            folder = checkpoint.directory(given)
        manifest = checkpoint.read_manifest(folder)
        method_of(manifest, folder.name)
        loaded = load_verified(str(folder), device, manifest["feature_set"])
        return cls(loaded.model, loaded.manifest, loaded.teacher, folder)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the checkpoint, its teacher in a folder inside, and a model card where there is none yet.

        The folder can be uploaded as it is: `hf upload OWNER/NAME FOLDER`.

        Raises:
            CheckpointError: the weights were changed since they were read, so that the manifest no longer fits them.
        """
        stored, manifest = checkpoint.read(self.folder)
        current = self.model.state_dict()
        if any(not torch.equal(stored[k], v.cpu()) for k, v in current.items()):
            raise CheckpointError(
                f"The weights of {self.folder.name} were changed since they were read: its manifest, intervals and "
                "recorded scores are of the old ones. Train with `train` or `fit`, which write their own."
            )
        target, teacher = Path(save_directory), teacher_folder(self.folder, manifest)
        for source, place in ((self.folder, target), *([(teacher, target / teacher.name)] if teacher else [])):
            place.mkdir(parents=True, exist_ok=True)
            for file in (MODEL, GOLDEN):
                checkpoint.read(source, file)
            for file in (MODEL, GOLDEN, MANIFEST):
                atomic.write_bytes(place / file, (source / file).read_bytes())
        if not (target / CARD).exists():
            atomic.write_text(target / CARD, card(self.folder))


def _fetched(repository: str, **options: Any) -> Path:
    """Download a repository of the Hub, or find it in the cache. Raises: CheckpointError."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=FILES, **options))
    except (OSError, ValueError) as e:
        first = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise CheckpointError(
            f"{repository!r} is no folder here, and the Hub gave no such repository ({first}). Check the name, the "
            "network and the access token, or give the folder of a checkpoint."
        ) from e
