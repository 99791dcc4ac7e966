"""The fixed parts of the page: head, consent, privacy, examples, the steps of the work and what the switches say."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from . import media
from .figures_clip import picture
from .figures_parts import STEPS, icon
from .schema import Utterance

EXAMPLE_TITLES = {
    "crema_happy.mp4": "Acted happy",
    "crema_angry.mp4": "Acted angry",
    "crema_sad.mp4": "Acted sad",
    "crema_neutral.mp4": "Acted neutral",
    "latentsync_demo1.mp4": "Presenter",
    "latentsync_demo2.mp4": "Presenter 2",
    "grid_bbaf2n.mp4": "Neutral speaker",
    "jfk.flac": "Voice only",
}
HEAD = """<div class="mm mm-head"><div class="mm-brand"><svg viewBox="0 0 58 22" aria-hidden="true">
<circle cx="11" cy="11" r="9"/><circle cx="29" cy="11" r="8" fill="none" stroke-width="2" stroke-dasharray="3.2 3.1"/>
<circle cx="47" cy="11" r="9"/></svg><h1>Missing-Modality Lab</h1></div>
<p>A sentiment model reads your words, your voice and your face. Switch one off and see what it loses, and how a
model trained for missing input copes.</p></div>"""
PRIVACY = """<div class="mm mm-privacy"><p><b>Nothing is kept.</b> Your clip is deleted when you choose another one,
when you close this page, and after 20 minutes at the latest. Nothing leaves this server.</p></div>"""
CONSENT = """<div class="mm"><p><b>Before the camera opens</b></p><p class="mm-hint">Your camera and microphone record
only between Record and Stop, up to 60 seconds. The recording goes to this server, is read once and deleted as
stated below. Record only yourself, or people who agree. Your browser will ask for permission too.</p></div>"""


def examples(folder: Path) -> str:
    """Buttons with a picture from each example clip in `folder`. Raises: MediaError when one is missing."""
    buttons = []
    for name, title in EXAMPLE_TITLES.items():
        path = folder / name
        info = media.probe(path)
        shot = next(
            (image for time_s, image in media.frames(path, info, 2.0, 240) if time_s >= info.duration_s / 3), None
        )
        drawn = (
            f'<span class="mm-sound">{icon("audio")}</span>' if shot is None else f'<img src="{picture(shot)}" alt="">'
        )
        buttons.append(f'<button data-clip="{name}">{drawn}<span class="mm-name">{title}</span></button>')
    return (
        '<div class="mm"><h4>Or try an example</h4><div class="mm-examples">' + "".join(buttons) + "</div>"
        '<p class="mm-hint">CREMA-D (ODbL), GRID (CC BY 4.0), LatentSync (Apache 2.0), '
        "US government (public domain); sources under About.</p></div>"
    )


def working(steps: Sequence[str], share: float) -> str:
    """The step being done, the steps behind it, and how much of the work is done (0..1)."""
    *done, now = [STEPS.get(s, s) for s in steps]
    behind = "".join(f"<li>{escape(s)}</li>" for s in done)
    return (
        f'<div class="mm mm-status" role="status"><div class="mm-progress" role="progressbar" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{100 * share:.0f}" aria-label="Analysis">'
        f'<i style="width:{100 * share:.0f}%"></i></div>'
        f'<ol class="mm-steps">{behind}<li class="mm-now">{escape(now)}</li></ol></div>'
    )


def finished(utterance: Utterance, seconds: float) -> str:
    """One line when a clip is done."""
    return (
        f'<div class="mm mm-status mm-done" role="status"><p><b>{escape(utterance.id)}</b>: '
        f"{utterance.duration_s:.1f} s of clip read in {seconds:.1f} s. Now switch something off.</p></div>"
    )


def failed(message: str) -> str:
    """The one clear line of a clip that could not be analysed."""
    return f'<div class="mm mm-status mm-failed" role="alert"><p>{escape(message)}</p></div>'


def state(utterance: Utterance, modality: str) -> str:
    """What the switch of a modality says under its name: what is there, or why it is not. Plain text."""
    stream = utterance.stream(modality)
    if not stream.present:
        return f"Missing: {stream.reason}"
    if modality == "text":
        return f"{len(utterance.words)} words heard"
    if modality == "audio":
        return f"{utterance.duration_s:.1f} s of sound"
    found = [t for t in utterance.thumbnails if t.box is not None]
    return f"face in {len(found)} of {len(utterance.thumbnails)} frames" if utterance.thumbnails else "face found"
