"""save_pretrained and from_pretrained: a folder goes out and comes back verified, and nothing is fetched unasked."""

import huggingface_hub
import pytest
import torch

from msa_core import checkpoint
from msa_core.errors import CheckpointError
from msa_core.methods.card import CARD, card
from msa_core.methods.hub import Pretrained

NAME = "corrkd-composite-v1"  # a method with a teacher
TEACHER = f"{NAME}-teacher"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """What a download is asked for; it fails where a test does not put one in its place."""

    def refuse(*_, **__):
        raise AssertionError("nothing may be fetched")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "upload"
    Pretrained.from_pretrained(NAME).save_pretrained(folder)
    return folder


def names(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def same(one, other):
    return all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())


def test_a_saved_folder_needs_nothing_else(saved, tmp_path, monkeypatch):
    files = {checkpoint.MODEL, checkpoint.GOLDEN, checkpoint.MANIFEST}
    assert names(saved) == {*files, CARD, *(f"{TEACHER}/{file}" for file in files)}
    assert (saved / CARD).read_text(encoding="utf-8") == card(NAME)
    shipped = Pretrained.from_pretrained(NAME)
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)  # nothing is installed there
    again = Pretrained.from_pretrained(saved)
    assert again.folder == saved and again.manifest == shipped.manifest and not again.model.training
    assert same(again.model, shipped.model) and same(again.teacher, shipped.teacher)


def test_what_stands_in_the_folder_stays(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / CARD).write_text("# Mine\n")
    for _ in range(2):
        Pretrained.from_pretrained("sdumc-composite-v1").save_pretrained(tmp_path)
    assert (tmp_path / ".git").is_dir() and (tmp_path / CARD).read_text() == "# Mine\n"
    assert Pretrained.from_pretrained(str(tmp_path)).teacher is None


def test_changed_weights_are_not_saved(tmp_path):
    pretrained = Pretrained.from_pretrained("sdumc-composite-v1")
    with torch.no_grad():
        next(iter(pretrained.model.parameters())).add_(1)
    with pytest.raises(CheckpointError, match="weights of sdumc-composite-v1 were changed since they were read"):
        pretrained.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_repository_is_fetched_and_verified(saved, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: asked.append((a, k)) or str(saved))
    found = Pretrained.from_pretrained("someone/corrkd", revision="v2", token="t", cache_dir=tmp_path)
    assert found.folder == saved and found.teacher is not None
    ((given, options),) = asked
    assert given == ("someone/corrkd",) and options["revision"] == "v2" and options["token"] == "t"
    assert options["cache_dir"] == tmp_path and options["allow_patterns"] == ["*.safetensors", "*.json", "*.md"]


def test_what_cannot_be_had_is_one_sentence(saved, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="No checkpoint 'nonsense'. Available: baseline"):
        Pretrained.from_pretrained("nonsense")
    with pytest.raises(CheckpointError, match="No checkpoint"):
        Pretrained.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="expression-ferplus-v1 is of method None"):
        Pretrained.from_pretrained("expression-ferplus-v1")
    altered = tmp_path / "altered"
    Pretrained.from_pretrained(saved).save_pretrained(altered)
    (altered / TEACHER / checkpoint.MODEL).write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointError, match=f"{TEACHER}/model.safetensors was altered"):
        Pretrained.from_pretrained(altered)


def test_a_repository_that_is_not_there(tmp_path, monkeypatch):
    """The real library, which may look into an empty cache only."""
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match="'nobody/nothing' is no folder here, and the Hub gave no such repository"
    ):
        Pretrained.from_pretrained("nobody/nothing", cache_dir=tmp_path, local_files_only=True)
