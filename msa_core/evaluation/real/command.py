"""Measure everything that is there: `real.json` with one table a set, and `real.md`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import atomic
from msa_core.config import MediaLimits
from msa_core.errors import MediaError, MsaError
from msa_core.evaluation import results
from msa_core.evaluation.bootstrap import LEVEL, N_RESAMPLES
from msa_core.evaluation.real import baselines, clips, scoring, tables, texts, voices
from msa_core.evaluation.real.clips import LabelledClip
from msa_core.evaluation.real.scored import Row, Scored, joined
from msa_core.evaluation.real.texts import RatedTexts
from msa_core.evaluation.real.voices import Recordings
from msa_core.explain import conformal
from msa_core.features import TUNED
from msa_core.missing import PATTERNS
from msa_core.predict import Analyser
from msa_core.schema import Utterance

NAME = "real"
VADER_PACKAGE = "vaderSentiment"
NEEDS = {  # what each set reads, below DATA
    "meld": (texts.MELD["train"], texts.MELD["dev"]),
    "emobank": (texts.EMOBANK,),
    "ravdess": ("ravdess",),
    "nemo": (voices.NEMO,),
    "cremad": (clips.VOTES,),
}
Say = Callable[[str], None]
Score = Callable[[str], float]
SoundScore = Callable[[np.ndarray], float]


class Measure:
    """The loaded models and baselines, with which every set is scored."""

    def __init__(
        self,
        analyser: Analyser,
        vader: Score | None = None,
        prosody: SoundScore | None = None,
        models: Sequence[scoring.Model] | None = None,
    ) -> None:
        """Hold them.

        Args:
            vader, prosody: the baselines of text and voice, None where there is none.
            models: in the place of the shipped ones.
        """
        self.analyser, self.vader, self.prosody = analyser, vader, prosody
        self.models = scoring.models(analyser) if models is None else list(models)

    def texts(self, kind: str, rated: RatedTexts) -> Scored:
        """Score written texts: the words alone."""
        utterances = scoring.written(self.analyser.extractor, rated.ids, rated.texts)
        labels = rated.labels[None]
        rows = [_constant(rated.constant, labels)]
        if self.vader is not None:
            rows.append(Row("vader", "VADER", "baseline", np.array([[self.vader(t) for t in rated.texts]])))
        rows += self._rows({"text": utterances}, ("text",), labels, np.arange(len(utterances))[None])
        positive, negative = (rated.labels > 0, rated.labels < 0) if kind == "meld" else (None, None)
        facts = {"constant": rated.constant, "without_words": rated.without_words}
        return Scored(
            kind, kind, ("text",), rated.ids, rows, labels, rated.clusters, positive, negative, rated.neutral,
            facts=facts,
        )  # fmt: skip

    def voices(self, kind: str, found: Recordings, constant: float | None = None) -> Scored:
        """Score voices, nothing else of them."""
        utterances, baseline = [], []
        for name, path in zip(found.ids, found.paths, strict=True):
            wave = voices.sound(path)
            utterances.append(voices.heard(self.analyser.extractor, name, wave))
            baseline.append(np.nan if self.prosody is None else self.prosody(wave))
        labels = None if found.labels is None else found.labels[None]
        rows = [] if constant is None or labels is None else [_constant(constant, labels)]
        if self.prosody is not None:
            rows.append(Row("prosody", tables.PROSODY, "baseline", np.array([baseline])))
        rows += self._rows({"audio": utterances}, ("audio",), labels, np.arange(len(utterances))[None])
        return Scored(
            kind, kind, ("audio",), found.ids, rows, labels, found.speakers,
            np.isin(found.emotions, voices.HAPPY), np.isin(found.emotions, voices.NEGATIVE),
            found.emotions == voices.NEUTRAL, found.emotions, found.sentences, found.speakers,
            facts={"speakers": len(set(found.speakers)), "sentences": len(set(found.sentences))}
            | ({} if constant is None else {"constant": constant}),
        )  # fmt: skip

    def clips(self, kind: str, name: str, found: Sequence[LabelledClip], progress: Say) -> Scored:
        """Score clips under every pattern that has a label and that they can have.

        Raises:
            MediaError: none of them can be read.
        """
        patterns = tuple(p for p in PATTERNS if any(p in clip.labels for clip in found))
        kept: list[LabelledClip] = []
        left: dict[str, list[Utterance]] = {p: [] for p in patterns}
        place = np.full((len(patterns), len(found)), -1)
        said, heard, left_out = [], [], {}
        for clip in found:
            progress(f"{name}: {clip.name}")
            try:
                utterance = self.analyser.extract(clip.path, MediaLimits.command_line())
                by_pattern = scoring.left_by_pattern(self.analyser, utterance, clip.labels)
            except MsaError as e:
                left_out[clip.name] = str(e)
                continue
            for p, one in by_pattern.items():
                place[patterns.index(p), len(kept)] = len(left[p])
                left[p].append(one)
            said.append(self.vader(utterance.transcript) if self.vader and "text" in by_pattern else np.nan)
            wave = voices.sound(clip.path) if self.prosody and "audio" in by_pattern else None
            heard.append(np.nan if wave is None or self.prosody is None else self.prosody(wave))
            kept.append(clip)
        if not kept:
            raise MediaError(f"none of its {len(found)} clips can be used: {next(iter(left_out.values()))}")
        place = place[:, : len(kept)]
        # A label counts where the clip has the pattern.
        labels = np.array([[clip.labels.get(p, np.nan) for clip in kept] for p in patterns])
        labels[place < 0] = np.nan
        rows = [_constant(0.0, labels)]
        for label, title, pattern, values in (
            ("vader", "VADER", "text", said), ("prosody", tables.PROSODY, "audio", heard)
        ):  # fmt: skip
            if pattern in patterns and np.isfinite(values).any():
                rows.append(Row(label, title, "baseline", _only(patterns, pattern, values)))
        if any(clip.one_person for clip in kept):
            errors = np.array([[clip.one_person.get(p, np.nan) for clip in kept] for p in patterns])
            errors[place < 0] = np.nan
            rows.append(Row("person", tables.PERSON, "person", np.full(labels.shape, np.nan), errors=errors))
        rows += self._rows(left, patterns, labels, place)
        spread = [s for clip in kept for s in clip.spread]
        return Scored(
            kind, name, patterns, tuple(clip.name for clip in kept), rows, labels,
            np.array([str(clip.path) for clip in kept]),
            neutral=np.ones(len(kept), bool) if kind == "grid" else None,
            facts={"constant": 0.0} | ({"spread": round(float(np.mean(spread)), 5)} if spread else {}),
            left_out=left_out, each=True,
        )  # fmt: skip

    def _rows(
        self,
        left: Mapping[str, Sequence[Utterance]],
        patterns: Sequence[str],
        labels: np.ndarray | None,
        place: np.ndarray,
    ) -> list[Row]:
        """Score what is left under every pattern by every model. place (P, N): index in `left`, -1 for none."""
        scores = np.full((len(self.models), *place.shape), np.nan)
        inside = np.full(scores.shape, np.nan)
        for i, p in enumerate(patterns):
            there = place[i] >= 0
            if not there.any():
                continue
            some = [left[p][k] for k in place[i, there]]
            found = scoring.score(self.models, some, self.analyser.device)
            for m, model in enumerate(self.models):
                scores[m, i, there] = found[m]
                if labels is not None:
                    low, high = scoring.intervals(model, some, found[m]).T
                    truth = labels[i, there]
                    known = np.isfinite(low) & np.isfinite(truth)
                    inside[m, i, there] = np.where(known, (low <= truth) & (truth <= high), np.nan)
        return [
            Row(model.label, model.title, model.kind, scores[m], model.complete, inside[m])
            for m, model in enumerate(self.models)
        ]


def command(
    data: Path,
    media: Path | None,
    folders: Sequence[Path],
    out: Path,
    device: str | None = None,
    progress: Say = print,
) -> dict[str, Any]:
    """Measure every set that is there; write out/real.json and real.md.

    Args:
        data: folder with meld, emobank, ravdess, nemo, cremad_votes; any of them may be missing.
        media: folder with cremad and with clips named grid_*, or None.
        folders: folders of clips with a labels.csv each.
        device: "cpu" or "cuda"; None takes the GPU when there is one.
        progress: told what is being measured.

    Returns:
        The content of real.json.

    Raises:
        MsaError: nothing is there, or a file is not what it should be; found before any model is loaded.
    """
    # 1. Read what is there; every fault of a table is found before minutes of work.
    labelled = [(name, clips.labelled(folder)) for name, folder in zip(_names(folders), folders, strict=True)]
    missing = {name: lost[0] for name, files in NEEDS.items() if (lost := [f for f in files if not _there(data / f)])}
    rated = {
        name: read(data) for name, read in (("meld", texts.meld), ("emobank", texts.emobank)) if name not in missing
    }
    recorded = {
        name: read(data) for name, read in (("ravdess", voices.ravdess), ("nemo", voices.nemo)) if name not in missing
    }
    filmed = {}
    if media is None or not media.is_dir():
        missing |= {name: f"--media {media or 'FOLDER'}" for name in ("cremad", "grid")}
    else:
        if "cremad" not in missing and not (found := clips.cremad(data, media)):
            missing["cremad"] = "cremad"
        elif "cremad" not in missing:
            filmed["cremad"] = found
        if grid := clips.grid(media):
            filmed["grid"] = grid
        else:
            missing["grid"] = "grid_*"
    if not (rated or recorded or filmed or labelled):
        raise MsaError(
            f"There is nothing to measure in {data.name}: it lacks {', '.join(missing.values())}. Give --data."
        )
    # 2. Load the models and fit the baseline of the voice.
    train = None if "ravdess" in missing else voices.ravdess(data, ("train",))
    measure = Measure(Analyser.load(device), baselines.vader(), _prosody(train, progress))
    if measure.vader is None:
        missing["VADER"] = VADER_PACKAGE
    # 3. Score the sets.
    done = []
    for name, texts_found in rated.items():
        progress(f"{name}: {len(texts_found.ids)} texts")
        done.append(measure.texts(name, texts_found))
    for name, voices_found in recorded.items():
        progress(f"{name}: {len(voices_found.ids)} voices")
        known = voices_found.labels is not None and train is not None and train.labels is not None
        constant = float(np.median(train.labels)) if known else None  # type: ignore[union-attr,arg-type]
        done.append(measure.voices(name, voices_found, constant))
    shown = []
    for kind, name, found in [*((n, n, f) for n, f in filmed.items()), *(("labelled", n, f) for n, f in labelled)]:
        try:
            shown.append(measure.clips(kind, name, found, progress))
        except MediaError as e:  # the sets before it are kept
            missing[name] = e.message
    whole = [joined("clips", "all clips", shown)] if len(shown) > 1 else []
    # 4. Write the table.
    result = {
        "kind": NAME,
        "feature_set": TUNED.id,
        "checkpoints": {model.label: model.name for model in measure.models},
        "level": conformal.LEVEL,
        "confidence": LEVEL,
        "resamples": N_RESAMPLES,
        "not_there": missing,
        "sets": [scored.report() for scored in (*done, *shown, *whole)],
    }
    out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out / results.REAL, json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    atomic.write_text(out / f"{NAME}.md", f"# {tables.TITLE}\n\n{tables.markdown(result)}\n")
    return result


def _prosody(train: Recordings | None, progress: Say) -> SoundScore | None:
    """Fit the baseline of the voice on RAVDESS' speakers of the train part; None without them."""
    if train is None or train.labels is None:
        return None
    progress(f"loudness and pitch: {len(train.ids)} voices of the train part")
    return baselines.fit_prosody([voices.sound(path) for path in train.paths], train.labels)


def _constant(value: float, labels: np.ndarray) -> Row:
    """Make the row of a constant, where there is a label (P, N)."""
    return Row("constant", tables.CONSTANT, "constant", np.where(np.isfinite(labels), value, np.nan))


def _only(patterns: Sequence[str], pattern: str, values: Sequence[float]) -> np.ndarray:
    """Put values (N,) into the row of one pattern of (P, N)."""
    scores = np.full((len(patterns), len(values)), np.nan)
    scores[list(patterns).index(pattern)] = values
    return scores


def _there(path: Path) -> bool:
    """Tell whether a file, or a folder with something in it, is there."""
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _names(folders: Sequence[Path]) -> list[str]:
    """Name folders, each with its number where another, or a set of research data, has the same name.

    Raises: MsaError for a folder that is given twice: its clips would count twice.
    """
    whole = [folder.resolve() for folder in folders]
    if twice := next((f for f in whole if whole.count(f) > 1), None):
        raise MsaError(f"--clips names the folder {twice.name!r} more than once. Leave one of them out.")
    names = [folder.name for folder in whole]
    found: list[str] = []
    for i, name in enumerate(names):
        taken = {*NEEDS, "grid", "VADER", *names[:i], *names[i + 1 :], *found}
        while name in taken:
            name += f" ({i + 1})"
        found.append(name)
    return found
