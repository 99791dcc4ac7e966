"""Late fusion with simulated text: it stands in the place of missing text, and of nothing else."""

from __future__ import annotations

import torch
from synthetic import corpus

from msa_core import methods, missing
from msa_core.methods.late_fusion import LateFusion, LateFusionConfig
from msa_core.missing import PATTERNS
from msa_core.schema import MODALITIES

CORPUS = corpus(40)
BATCH = CORPUS.batch(range(40))


def model(hearing: bool) -> methods.Method:
    torch.manual_seed(0)
    made = methods.build("baseline", {"d_model": 8, "d_fusion": 8, "use_simulated": hearing}, CORPUS.dims)
    made.set_statistics(CORPUS.statistics(CORPUS.rows("train")))
    return made.eval()


def test_imagined_text_is_read_where_there_is_no_text() -> None:
    plain, hearing = model(False), model(True)
    assert (plain.reads_simulated_text, hearing.reads_simulated_text) == (False, True)
    assert plain.state_dict().keys() == hearing.state_dict().keys()
    with torch.inference_mode():
        for pattern, members in PATTERNS.items():
            left = missing.pattern(BATCH, pattern)
            moved = plain(left).score != hearing(left).score
            voiced = left.valid["simulated"].any(1) & ~left.present[:, 0]
            assert torch.equal(moved, voiced) and bool(voiced.all()) is (members in (("audio",), ("audio", "vision")))


def test_imagined_text_is_read_as_text_is() -> None:
    """The same frames as text and as simulated text give one answer, standardised alike."""
    hearing = model(True)
    left = missing.pattern(BATCH, "audio")
    heard = {**left.features, "text": left.features["simulated"]}
    hearing.statistics("text").load_state_dict(hearing.statistics("simulated").state_dict())
    seen = {**left.valid, "text": left.valid["simulated"]}, {**left.observed, "text": left.observed["simulated"]}
    as_text = type(left)(heard, *seen, left.present | torch.tensor([True, False, False]), left.label, left.ids)
    with torch.inference_mode():
        assert torch.allclose(hearing(left).score, hearing(as_text).score, atol=1e-6)


def test_recipes_with_imagined_text_differ_in_nothing_else() -> None:
    recipes = {r.run_name: r for r in LateFusion.recipes()}
    hearing = {n: r for n, r in recipes.items() if LateFusionConfig(**r.config).use_simulated}
    names = [f"late fusion, {p} only, simulated text" for p in ("audio", "audio+vision")]
    assert list(hearing) == ["masked late fusion, simulated text", *names]
    for name, recipe in hearing.items():
        plain = recipes[name.removesuffix(", simulated text")]
        assert (recipe.kind, recipe.loop) == (plain.kind, plain.loop)


def test_gradients_reach_the_encoder_through_imagined_text() -> None:
    hearing = model(True).train()
    left = missing.pattern(BATCH, "audio")
    hearing(left).score.square().sum().backward()
    encoders = {m: hearing.encode[m].projection.weight.grad for m in MODALITIES}
    assert encoders["text"] is not None and encoders["text"].abs().sum() > 0
