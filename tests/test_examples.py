"""The examples in docstrings and docs are true, and the public functions have some."""

import doctest
import re
from importlib import import_module

import pytest
from paths import ROOT

import msa_core
from msa_core import compare, missing, prepared
from msa_core.corpora import as_dataset
from msa_core.evaluation import metrics
from msa_core.predict import Analyser

SOURCES = sorted((ROOT / "msa_core").rglob("*.py"))
WITH_EXAMPLES = [p.relative_to(ROOT).with_suffix("").parts for p in SOURCES if ">>> " in p.read_text(encoding="utf-8")]
DOCS = [p for p in sorted((ROOT / "docs").glob("*.md")) if "```pycon\n" in p.read_text(encoding="utf-8")]
PUBLIC = [
    *(getattr(msa_core, name) for name in ("Analyser", "Extractor", "collate", "Degradation", "MediaLimits", "Stream")),
    *(compare.compare, compare.robustness, prepared.utterance, as_dataset),
    *(missing.pattern, missing.regime, missing.switches, missing.frame_rates),
    *(metrics.scores, metrics.sims_scores, metrics.mae, metrics.pearson, metrics.accuracy, metrics.weighted_f1),
]


@pytest.fixture
def loaded(request, monkeypatch):
    """The session's models in place of a second load, for the examples that load some."""

    def use():
        analyser = request.getfixturevalue("analyser")
        monkeypatch.setattr(Analyser, "load", lambda *_, **__: analyser)
        monkeypatch.setattr(msa_core.Extractor, "load", lambda *_, **__: analyser.extractor)

    return use


def test_there_are_examples():
    assert len(WITH_EXAMPLES) >= 17 and [p.name for p in DOCS] == ["api.md"]


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_public_functions_have_an_example(public):
    assert ">>> " in public.__doc__


@pytest.mark.parametrize("parts", WITH_EXAMPLES, ids=".".join)
def test_examples_of_docstrings(parts, loaded):
    module = import_module(".".join(parts))
    if parts[-1] in ("predict", "extract", "compare"):
        loaded()
    failed, tried = doctest.testmod(module)
    assert tried and not failed


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_examples_of_docs(page, loaded):
    loaded()
    for number, text in enumerate(re.findall(r"^```pycon\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)):
        example = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), number)
        failed, tried = doctest.DocTestRunner().run(example)
        assert tried and not failed
