"""Model cards in the format of the Hugging Face Hub, written from the manifests of checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from msa_core import checkpoint
from msa_core.methods.registry import method_of
from msa_core.missing import PATTERNS
from msa_core.tables import markdown_table

CARD = "README.md"  # the Hub shows the file of this name
LIBRARY = "missing-modality-lab"
LICENCE = "research-and-teaching-only"
TAGS = ["multimodal", "sentiment-analysis", "missing-modality"]
DATASETS = ("CH-SIMS v2", "CMU-MOSI", "CMU-MOSEI", "RAVDESS", "URDU", "FER2013", "FER+", "MELD", "EmoBank")
METRICS = {"mae": "mae", "r": "pearsonr", "pearson": "pearsonr", "accuracy": "accuracy"}  # ours -> the Hub's
NETWORKS = {  # beginning of a name -> module that says what the network is
    "expression": "msa_core.features.expression",
    "voice": "msa_core.features.voice",
    "projector": "msa_core.features.simulated_text",
    "text-layers": "msa_core.features.text_layers",
}
INPUTS = {"complete": "complete input only", "subset": "random subsets of the modalities"}
NO_MEASURE = "A demonstration of a model's behaviour, not a measure of feelings: do not judge people by it."
CHOSEN_ON = (
    "Mean absolute error on the validation rows, on a scale from -3 to 3, by what is left. Epoch and seed were chosen "
    "on these rows (the seed of SDUMC on real people too), which flatters the numbers; docs/results.md of the project "
    "compares the methods on test rows. "
    "± is the half-width of the interval around a score, calibrated on the same rows."
)
LOAD_METHOD = """```python
from msa_core.methods.hub import Pretrained

pretrained = Pretrained.from_pretrained("{name}")  # this folder, or OWNER/NAME on the Hub
print(pretrained.manifest["method"], pretrained.model.dims)
```

A whole clip: `Analyser.load(method=str(pretrained.folder))` (`msa_core.predict`), or
`missing-modality-lab analyse CLIP --method FOLDER`."""
LOAD_NETWORK = """```python
from msa_core import checkpoint

tensors, manifest = checkpoint.read("{name}")  # this folder, or its name where it is installed
```

The feature extractors of the project load it by themselves."""


def card(name: str | Path) -> str:
    """Write the model card of a checkpoint: front matter and text; every number in it is the manifest's.

    Args:
        name: checkpoint name or folder.

    Raises:
        CheckpointError: it is not there, was altered, or its manifest lacks a field.
    """
    tensors, manifest = checkpoint.read(name)
    own = checkpoint.directory(name).resolve().name
    counted = sum(t.numel() for t in tensors.values())
    parts = _of_method(own, manifest) if "method" in manifest else _of_network(own, manifest, counted)
    front = _front_matter(own, manifest, parts.pop("results"), parts.pop("tag"))
    sections = "\n\n".join(f"## {title}\n\n{text}" for title, text in parts.items())
    hashes = "\n".join(f"- `{file}`: sha256 `{digest}`" for file, digest in manifest["sha256"].items())
    written = "Written from `manifest.json` by `python -m msa_core cards`."
    return f"---\n{front}---\n\n# {own}\n\n{written}\n\n{sections}\n\n## Files\n\n{hashes}\n"


def _front_matter(name: str, manifest: Mapping[str, Any], results: list[EvalResult], tag: str) -> str:
    """Write the metadata block, without its lines ---."""
    said = " ".join(_strings(manifest))
    data = ModelCardData(
        license="other",
        license_name=LICENCE,
        language="en",
        library_name=LIBRARY,
        tags=[*TAGS, tag],
        datasets=[_slug(d) for d in DATASETS if d.lower() in said.lower()] or None,
        metrics=sorted({r.metric_type for r in results}) or None,
        model_name=name if results else None,
        eval_results=results or None,
    )
    return data.to_yaml() + "\n"


def _of_method(name: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a method's card, with its tag and its results."""
    method, corpus = method_of(manifest, name), manifest["corpus"]
    widths = ", ".join(f"{stream} {width}" for stream, width in manifest["dims"].items())
    total, trained = manifest["n_parameters"], manifest.get("n_trained", manifest["n_parameters"])
    share = "" if trained == total else f", {trained:,} of them trained and the rest frozen"
    regime = manifest["train"]["regime"]
    facts = [
        f"Method: {method.title}.",
        f"Input: frames of the feature set `{manifest['feature_set']}` (values a frame: {widths}); any may be absent.",
        f"Output: {_output(corpus.get('emotions', ()))}.",
        f"Parameters: {total:,}{share}.",
        f"Trained on the corpus `{corpus['name']}` with {_input(regime)}; seed {manifest['seed']}, "
        f"epoch {manifest['best_epoch'] + 1} of {manifest['train']['epochs']}.",
    ]
    if manifest.get("teacher"):
        facts.append(
            f"It learned from `{manifest['teacher']['checkpoint']}`, which saw complete input and comes along."
        )
    warnings = [NO_MEASURE, corpus.get("statement", "")]
    if method.reconstruction:
        warnings.insert(1, f"{method.title} is rebuilt from less than a paper and is not its authors' system.")
    utterances = ", ".join(f"{n:,} {split}" for split, n in corpus.get("utterances", {}).items())
    licence = [f"Licence of the weights: {manifest['licence']}.", utterances and f"Utterances: {utterances}."]
    sources = [[what, told] for what, told in corpus.get("sources", {}).items()]
    half = manifest["calibration"]["half_width"]
    key, error = ("cross_entropy", "cross-entropy") if corpus.get("emotions") else ("mae", "MAE")
    measured = manifest[f"validation_{key}"].items()
    rows = [[p, f"{value:.3f}", f"{half[p]:.2f}" if p in half else None] for p, value in measured]
    head = ["left", error, f"{manifest['calibration']['level']:.0%} interval, ±"]
    return {
        "What it is": f"{_described(method.__module__)}\n\n" + _list(facts),
        "What it is not": _list(filter(None, warnings)),
        "Data and licences": "\n\n".join([*filter(None, licence), markdown_table(["piece", "source"], sources)]),
        "Measured": f"{CHOSEN_ON}\n\n{markdown_table(head, rows)}",
        "How to load": LOAD_METHOD.format(name=name),
        "results": [
            _result(corpus["name"], "validation", key, value, f"{error} with {p}")
            for p, value in measured
            if p in PATTERNS
        ],
        "tag": method.name,
    }


def _output(emotions: Sequence[str]) -> str:
    """Say what a method answers."""
    if not emotions:
        return "a sentiment score from -3 to 3"
    return f"log odds from -3 to 3 of each emotion ({', '.join(emotions)}); above 0 it is there"


def _of_network(name: str, manifest: Mapping[str, Any], counted: int) -> dict[str, Any]:
    """Return the sections of a feature network's card, with its tag and its results. counted: numbers it holds."""
    kind = next((k for k in NETWORKS if name.startswith(k)), None)
    told = _described(NETWORKS[kind]) if kind else "A network of the feature extractors."
    data = manifest.get("data", {})
    licence = (
        manifest.get("licence") or (data.get("licence") if isinstance(data, Mapping) else None) or "see the project"
    )
    trained_on = (
        [data] if isinstance(data, str) else [d for d in DATASETS if d.lower() in " ".join(_strings(manifest)).lower()]
    )
    measures = dict(_measures(manifest.get("metrics") or {"validation": manifest.get("validation", {})}))
    columns = list(dict.fromkeys(key for row in measures.values() for key in row))
    rows = [[where, *(_number(row.get(c)) for c in columns)] for where, row in measures.items()]
    return {
        "What it is": f"{told}\n\n" + _list(["A part of the feature extractors, no method.", f"Values: {counted:,}."]),
        "What it is not": _list([NO_MEASURE]),
        "Data and licences": f"Trained on: {', '.join(trained_on)}.\n\nLicence of the weights: {licence}.",
        "Measured": markdown_table(["measured on", *columns], rows),
        "How to load": LOAD_NETWORK.format(name=name),
        "results": [
            _result(_data_of(where, trained_on) or name, where, METRICS[k], value, f"{k}, {where}")
            for where, row in measures.items()
            if where.startswith("test")
            for k, value in row.items()
            if k in METRICS
        ],
        "tag": kind or "features",
    }


def _result(data: str, split: str, metric: str, value: float, title: str) -> EvalResult:
    """Make one measured number of the front matter."""
    return EvalResult(
        task_type="other",
        task_name="Sentiment with missing modalities",
        dataset_type=_slug(data),
        dataset_name=data,
        dataset_split=split,
        metric_type=metric,
        metric_name=title,
        metric_value=round(float(value), 4),
    )


def _measures(metrics: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, float]]]:
    """Find the innermost mappings of numbers: what they were measured on, and the numbers."""
    own = {k: v for k, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if own and where:
        yield where.replace("_", " "), own
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _measures(value, f"{where} {key}".strip())


def _data_of(where: str, names: Sequence[str]) -> str | None:
    """Find the data set that something was measured on: the one that it names, else the first."""
    return next((n for n in names if n.lower() in where.lower()), next(iter(names), None))


def _described(module: str) -> str:
    """Return the first two paragraphs of a module's docstring, a line each."""
    paragraphs = re.split(r"\n\s*\n", (import_module(module).__doc__ or "").strip())
    return "\n\n".join(" ".join(p.split()) for p in paragraphs[:2])


def _input(regime: str) -> str:
    """Say what is left of a clip in training."""
    return INPUTS.get(regime, f"{regime} only" if regime in PATTERNS else f"the regime `{regime}`")


def _strings(value: Any) -> Iterator[str]:
    """Find every text in a manifest."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(inner)


def _slug(name: str) -> str:
    """Write a name as the Hub writes the ids of data sets."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("+", "plus")).strip("-")


def _number(value: float | None) -> str | None:
    """Write a measured number; counts stay whole."""
    return None if value is None else f"{int(value):,}" if float(value).is_integer() else f"{value:.3f}"


def _list(items: Any) -> str:
    """Write a Markdown list."""
    return "\n".join(f"- {item}" for item in items)
