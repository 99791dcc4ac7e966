import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from synthetic import corpus

from msa_core import missing
from msa_core.errors import MsaError
from msa_core.missing import COMPLETE, INCOMPLETE, PATTERNS
from msa_core.schema import MODALITIES, STREAMS, Prosody, Stream, Utterance

CORPUS = corpus(300)
BATCH = CORPUS.batch(np.arange(300))
MAY_SET_VALIDITY = ("missing.py", "batch.py", "explain/timeline.py")  # removal; padding; windows of a clip
RANDOM = ("mrm", "mrm:0.4", "subset", "frame:0.3", "block:0.3", "modality:0.4")


def same(a, b):
    parts = all(
        torch.equal(getattr(a, k)[s], getattr(b, k)[s]) for k in ("features", "valid", "observed") for s in STREAMS
    )
    return parts and torch.equal(a.present, b.present)


def test_seven_patterns_in_a_fixed_order():
    assert list(PATTERNS)[-1] == COMPLETE and len(PATTERNS) == 7 and len(INCOMPLETE) == 6
    assert [len(p) for p in PATTERNS.values()] == [1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_keeps_exactly_its_modalities(name):
    left = missing.pattern(BATCH, name)
    for i, m in enumerate(MODALITIES):
        if m in PATTERNS[name]:
            assert torch.equal(left.present[:, i], BATCH.present[:, i])
            assert torch.equal(left.features[m], BATCH.features[m])
        else:
            assert not left.present[:, i].any() and not left.valid[m].any() and not left.observed[m].any()
            assert (left.features[m] == 0).all()
    assert left.valid["simulated"].any() == ("audio" in PATTERNS[name])


def test_pattern_wipes_poison_and_names_are_checked():
    poisoned = BATCH.features["vision"].clone().fill_(float("nan"))
    batch = type(BATCH)(
        {**BATCH.features, "vision": poisoned}, BATCH.valid, BATCH.observed, BATCH.present, ids=BATCH.ids
    )
    assert (missing.pattern(batch, "text+audio").features["vision"] == 0).all()
    with pytest.raises(MsaError, match="Unknown pattern 'voice'. Valid patterns: text, audio"):
        missing.pattern(BATCH, "voice")


def test_without_simulated():
    left = missing.without_simulated_text(BATCH)
    assert not left.valid["simulated"].any() and torch.equal(left.present, BATCH.present)


@pytest.mark.parametrize("name", RANDOM)
def test_draws_do_not_depend_on_order_or_padding(name):
    remove = missing.regime(name)
    whole = remove(BATCH, 7, 3)
    assert same(whole, remove(BATCH, 7, 3))
    assert not same(whole, remove(BATCH, 7, 4)) and not same(whole, remove(BATCH, 8, 3))
    rows = [250, 3, 111]
    few = remove(CORPUS.batch(rows), 7, 3)
    for b, row in enumerate(rows):
        assert torch.equal(few.present[b], whole.present[row])
        for s in STREAMS:
            t = few.observed[s].shape[1]
            assert torch.equal(few.observed[s][b], whole.observed[s][row, :t])


@pytest.mark.parametrize("name", RANDOM)
def test_something_is_always_left_and_bookkeeping_holds(name):
    left = missing.regime(name)(BATCH, 1, 0)
    assert left.present.any(1).all() and not (left.present & ~BATCH.present).any()
    for i, m in enumerate(MODALITIES):
        assert torch.equal(left.valid[m].any(1), left.present[:, i])
    for s in STREAMS:
        assert not (left.observed[s] & ~left.valid[s]).any() and (left.features[s][~left.observed[s]] == 0).all()
        assert torch.equal(left.features[s][left.observed[s]], BATCH.features[s][left.observed[s]])
    assert not (left.valid["simulated"].any(1) & ~left.present[:, 1]).any()


@given(rate=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_frame_rate_is_met(rate):
    left = missing.frame(BATCH, rate, seed=0)
    assert torch.equal(left.present, BATCH.present) and all(torch.equal(left.valid[s], BATCH.valid[s]) for s in STREAMS)
    for s in STREAMS:
        n = int(BATCH.valid[s].sum())
        dropped = 1 - int(left.observed[s].sum()) / n
        assert abs(dropped - rate) <= 4.5 * np.sqrt(rate * (1 - rate) / n) + 1e-9


@given(rate=st.floats(0, 2 / 3))
@settings(max_examples=20, deadline=None)
def test_modality_rate_is_met(rate):
    everything = CORPUS.batch(np.flatnonzero(BATCH.present.all(1).numpy()))
    realised = [missing.realised_rate(everything, missing.modality_rate(everything, rate, s)) for s in range(4)]
    assert abs(np.mean(realised) - rate) < 0.035


def test_switches_and_rates_are_read_from_any_collection():
    assert missing.switches(filter(None, ["text", "audio"]), "transcript") == {"text", "audio"}
    assert missing.frame_rates({"audio": np.float32(0.25), "text": np.int64(0)}) == {"audio": 0.25}


def test_rates_outside_their_range_are_refused():
    with pytest.raises(MsaError, match=r"missing_rate is 0.7; one modality is always kept"):
        missing.modality_rate(BATCH, 0.7, 0)
    with pytest.raises(MsaError, match=r"frame_missing_rate is 1.5"):
        missing.frame(BATCH, 1.5, 0)
    for name in ("frame:2", "mrm:x", "nothing", "subset:0.5", "frame"):
        with pytest.raises(MsaError, match="Unknown regime"):
            missing.regime(name)


def test_block_is_contiguous():
    left = missing.block(BATCH, 0.4, seed=3)
    for s in STREAMS:
        for valid, observed in zip(BATCH.valid[s].numpy(), left.observed[s].numpy(), strict=True):
            gone = np.flatnonzero(valid & ~observed)
            assert len(gone) == round(0.4 * valid.sum()) and (np.diff(gone) == 1).all()


def test_subsets_are_uniform():
    everything = CORPUS.batch(np.flatnonzero(BATCH.present.all(1).numpy()))
    codes = torch.tensor([1, 2, 4])
    counts = np.zeros(8)
    for epoch in range(20):
        counts += np.bincount((missing.subset(everything, 0, epoch).present * codes).sum(1).numpy(), minlength=8)
    share = counts[1:] / counts.sum()
    assert counts[0] == 0 and np.abs(share - 1 / 7).max() < 0.02


def test_random_missingness_needs_ids():
    nameless = type(BATCH)(BATCH.features, BATCH.valid, BATCH.observed, BATCH.present)
    with pytest.raises(MsaError, match="0 ids for 300 rows"):
        missing.mrm(nameless, 0)


def test_a_regime_that_cannot_be_met_is_refused_by_name():
    with pytest.raises(MsaError, match="Unknown regime 'modality:0.7'"):
        missing.regime("modality:0.7")


def test_nothing_else_removes_a_stream():
    """Removal stands in missing.py only: no other module calls `Utterance.without` or makes a validity of its own."""
    removing = re.compile(r"\.without\(|\b(?:Batch|replace)\([^)]*\bvalid=|\.valid\[[^]]*\]\s*&?=[^=]", re.S)
    found = {str(p.relative_to(ROOT)) for p in (ROOT / "msa_core").rglob("*.py") if removing.search(p.read_text())}
    assert found <= {f"msa_core/{name}" for name in MAY_SET_VALIDITY}


@pytest.mark.parametrize("gone", [["audio"], ["text", "audio"]])
def test_simulated_text_and_prosody_go_with_the_audio(gone):
    there = Stream(np.ones((2, 3), np.float32), np.arange(2, dtype=np.float32))
    spoken = Prosody(200.0, 3.0, -20.0, 9.0, 0.5, 2.0, (), ())
    u = Utterance("a", 2.0, "compact-v1", there, there, there, there, prosody=spoken)
    left = missing.after_switches(u, gone)
    assert not left.simulated.present and left.simulated.reason == missing.NO_VOICE and left.vision.present
    assert left.prosody is None and missing.after_switches(u, ["text"]).prosody is spoken
    assert missing.after_switches(u, ["text"]).simulated.present
    assert missing.keep_only(u, ["vision"]).simulated.reason == missing.NO_VOICE
