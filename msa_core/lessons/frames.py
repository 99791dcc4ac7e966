"""Lesson on dropped frames against missing modalities, and on what a missing rate means."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch

from msa_core import batch as data
from msa_core import missing
from msa_core.i18n import say
from msa_core.lessons import charts, measured
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import modality_options, most_influential, ordinary, require, score_of
from msa_core.lessons.models import ROW
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, STREAMS, Stream, Utterance
from msa_core.views.parts import signed

METHOD = "sdumc"
HALF = 0.5  # frame_missing_rate in the question
ALIKE = 0.1  # of a score: moves that differ by less count as the same
ALL = "all"


class FramesOrModalities(Lesson):
    """Half of all frames dropped against one whole modality missing."""

    name = "frames"
    clip = "crema_happy.mp4"
    holds_on, close_on = clip, "grid_bbaf2n.mp4"
    minutes = 3
    code = (
        Code("msa_core/missing.py", "frame, block, modality_rate"),
        Code("msa_core/evaluation/protocols.py", "conditions"),
    )

    def _texts(self) -> Texts:
        return Texts(
            title=say("Missing frames are not missing modalities"),
            idea=(
                say(
                    "“Missing rate 0.5” has three meanings in the literature. Frames: half of the frames of every "
                    "stream are dropped at random (TFR-Net, LNLN). Modalities: half of all streams in a test set are "
                    "removed, but each clip keeps at least one (GCNet, DiCMoR, IMDer). Samples: a share of the clips "
                    "loses a random combination of modalities (MPLMM). Results under one meaning say nothing about "
                    "the others."
                ),
                say(
                    "Dropping frames usually hurts less than expected, because neighbouring frames are nearly alike: "
                    "from half of them, a model still hears the tone and sees the smile. A missing modality takes "
                    "with it what the others do not repeat. On test clips, SDUMC’s mean error is {complete} with "
                    "everything, {frames} with half of the frames and {vision} without the face, but only {text} "
                    "without the words: text simulated from the voice helps out.",
                    complete=f"{measured.complete_mae(ROW[METHOD]):.2f}",
                    frames=f"{measured.mae(ROW[METHOD], f'frame:{HALF}'):.2f}",
                    vision=f"{measured.mae(ROW[METHOD], 'text+audio'):.2f}",
                    text=f"{measured.mae(ROW[METHOD], 'audio+vision'):.2f}",
                ),
                say(
                    "So read the protocol before the number, and never compare two tables whose rates mean different "
                    "things. Also ask whether every method was tested with the same masks: here, they depend only on "
                    "the clip’s name and a seed."
                ),
                say(
                    "Protocols: TFR-Net, LNLN, GCNet and MPLMM, described in the same terms; the scores are those of "
                    "SDUMC (ICASSP 2025)."
                ),
            ),
            question=say("What moves SDUMC’s score further on this clip?"),
            choices=(
                say("dropping half of all frames"),
                say("removing the modality that matters most"),
                say("both about the same (within {x})", x=ALIKE),
            ),
            try_this=say(
                "Raise the rate until the score changes clearly, then draw other frames. Is it the rate, or the luck "
                "of the draw?"
            ),
            take_away=say(
                "Read the protocol before the number: half of the frames and half of the modalities are "
                "different losses."
            ),
            claim=say("dropping half of all frames moves the score less than removing the modality that matters most"),
        )

    def _controls(self) -> tuple[Control, ...]:
        of = ((say("all three"), ALL), *modality_options())
        return (
            Control("rate", say("Share of frames dropped"), "slider", HALF, low=0.0, high=0.95, step=0.05),
            Control("of", say("Dropped from"), "choice", ALL, of),
            Control("draw", say("Random draw"), "slider", 1.0, low=1.0, high=9.0, step=1.0),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        require(utterance, at_least=2)
        top = most_influential(analyser, utterance, METHOD)
        score = score_of(analyser.predict(utterance, METHOD))
        half = score_of(analyser.predict(with_frames_dropped(utterance, HALF), METHOD))
        gone = score_of(analyser.predict(utterance, METHOD, [top]))
        moved, lost = abs(half - score), abs(gone - score)
        correct = 2 if abs(moved - lost) < ALIKE else int(lost > moved)
        said = say(
            "With half of all frames dropped, SDUMC scores {half} instead of {score}; without {what}, {gone}. Mean "
            "error on test clips: {complete} when complete, {frames} with half of the frames, {incomplete} with "
            "missing modalities.",
            half=signed(half),
            score=signed(score),
            what=ordinary(top),
            gone=signed(gone),
            complete=f"{measured.complete_mae(ROW[METHOD]):.2f}",
            frames=f"{measured.mae(ROW[METHOD], f'frame:{HALF}'):.2f}",
            incomplete=f"{measured.incomplete_mae(ROW[METHOD]):.2f}",
        )
        rows = [(say("half of all frames"), half, score), (say("without {what}", what=ordinary(top)), gone, score)]
        facts: dict[str, Value] = {"score": score, "half": half, "gone": top, "without": gone}
        holds = None if correct == 2 else bool(correct)
        return LessonAnswer(correct, said, charts.readings(rows), facts, holds)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        rate, of, draw = float(chosen["rate"]), str(chosen["of"]), int(float(chosen["draw"]))
        there = require(utterance, *([of] if of != ALL else []))
        left = with_frames_dropped(utterance, rate, MODALITIES if of == ALL else (of,), draw)
        score = score_of(analyser.predict(utterance, METHOD))
        now = score_of(analyser.predict(left, METHOD))
        kept = {m: (_length(left, m), _length(utterance, m)) for m in there}
        counts = say(", ").join(f"{_pieces(m)} {k}/{n}" for m, (k, n) in kept.items())
        said = say(
            "Frames kept: {counts}. The score goes from {score} to {now}.",
            counts=counts,
            score=signed(score),
            now=signed(now),
        )
        facts: dict[str, Value] = {"score": score, "now": now, **{f"kept_{m}": float(k) for m, (k, _) in kept.items()}}
        return ExperimentResult(said, charts.readings([("SDUMC", now, score)]), facts)


def with_frames_dropped(
    utterance: Utterance, rate: float, modalities: Collection[str] = MODALITIES, seed: int = 1
) -> Utterance:
    """Copy a clip without the frames that `missing.frame` drops; simulated text goes with the voice.

    The shorter streams give the same prediction as the masked batch, because dropped frames take no part in attention
    and mean. A stream that has lost every frame is absent.

    Args:
        utterance: the clip.
        rate: frame_missing_rate, 0 to 1.
        modalities: those that lose frames.
        seed: of the random mask, with the clip's name.
    """
    batch = data.collate([utterance])
    rates = torch.tensor([[rate if m in modalities else 0.0 for m in MODALITIES]], dtype=torch.float64)
    observed = missing.frame(batch, rates, seed).observed
    streams = {}
    for name in STREAMS:
        stream = utterance.stream(name)
        if stream.values is None or stream.times_s is None:
            continue
        keep = observed[name][0, : len(stream.values)].numpy()
        whole = Stream(stream.values[keep], stream.times_s[keep])
        streams[name] = whole if keep.any() else Stream.absent("every frame was dropped")
    return utterance.with_streams(streams)


def _pieces(modality: str) -> str:
    """Name what is counted as the frames of a modality; the tokenizer cuts words into pieces."""
    return say("word pieces") if modality == "text" else ordinary(modality)


def _length(utterance: Utterance, modality: str) -> int:
    values = utterance.stream(modality).values
    return 0 if values is None else len(values)
