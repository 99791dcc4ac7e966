"""The fixed parts of the page: head, consent, privacy, examples, steps of the work, states of switches, About.

Everything is a function, because it answers in the active language.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

from msa_core import __version__, i18n, media
from msa_core.config import MediaLimits
from msa_core.i18n import known, say
from msa_core.schema import Utterance
from msa_core.views.clip import picture
from msa_core.views.parts import STEPS, icon

EXAMPLE_TITLES = {  # file -> caption, in English
    "crema_happy.mp4": "Acted happy",
    "crema_angry.mp4": "Acted angry",
    "crema_sad.mp4": "Acted sad, seen by few",
    "pexels_crying.mp4": "Sad face, no sound",
    "crema_neutral.mp4": "Acted neutral",
    "latentsync_demo1.mp4": "Presenter",
    "latentsync_demo2.mp4": "Presenter 2",
    "grid_bbaf2n.mp4": "Neutral speaker",
    "jfk.flac": "Voice only",
}
OUR_FAULT = "Something failed on our side, not in your clip. The clip was deleted; try again or try another one."
MARK = """<svg viewBox="0 0 58 22" aria-hidden="true">
<circle cx="11" cy="11" r="9"/><circle cx="29" cy="11" r="8" fill="none" stroke-width="2" stroke-dasharray="3.2 3.1"/>
<circle cx="47" cy="11" r="9"/></svg>"""


def head() -> str:
    """Draw a way past it, mark, title and one sentence; a switch of languages may stand beside it."""
    said = say(
        "A sentiment model reads your words, your voice and your face. Switch one off and see what it loses, and how a "
        "model trained for missing input copes."
    )
    skip = f'<a class="mm-skip" href="#mm-tabs">{say("Skip to the content")}</a>'
    brand = f'<div class="mm-brand">{MARK}<h1>{say("Missing-Modality Lab")}</h1></div>'
    return f'<div class="mm mm-head">{skip}{brand}<p>{said}</p></div>'


def privacy() -> str:
    """Say in one line when a clip is deleted."""
    said = say(
        "Your clip is deleted when you choose another one, when you close this page, and after 20 minutes at the "
        "latest. Nothing leaves this server."
    )
    return f'<div class="mm mm-privacy"><p><b>{say("Nothing is kept.")}</b> {said}</p></div>'


def longest_s() -> float:
    """Return how long a clip may be on the page, in seconds."""
    return MediaLimits().max_duration_s


def recorder(limit_s: float | None = None) -> str:
    """Draw the hidden line with the seconds of a recording; the page's script stops it after `limit_s` (the limit)."""
    limit = longest_s() if limit_s is None else limit_s
    told = {
        "limit": f"{limit:g}",
        "progress": say("Recording: {seconds} of {limit:.0f} s", seconds="#", limit=limit),
        "start": say("Start recording"),
        "stop": say("Stop recording"),
    }
    data = " ".join(f'data-{key}="{escape(text)}"' for key, text in told.items())
    return f'<div class="mm" {data}><p class="mm-timer" role="timer" hidden></p></div>'


def consent() -> str:
    """State the terms that a visitor agrees to before the camera opens."""
    said = say(
        "Your camera and microphone record only between Record and Stop; after {limit:.0f} seconds the recording stops "
        "by itself. It goes to this server, is read once and deleted as stated below. Record only yourself, or people "
        "who agree. Your browser will ask for permission too.",
        limit=longest_s(),
    )
    title = say("Before the camera opens")
    return f'<div class="mm"><p><b>{title}</b></p><p class="mm-hint">{said}</p></div>'


def player_words() -> str:
    """Hand the page's scripts their words: for the cover of the player, the moment, and an earlier answer."""
    told = {
        "unseen": say("the models see no picture"),
        "moment": say("Moment of the clip, in seconds"),
        "earlier": say("This is still the earlier answer: the clip is being read."),
    }
    data = " ".join(f'data-{key}="{escape(text)}"' for key, text in told.items())
    return f'<div class="mm" {data}></div>'


def keys_choice() -> str:
    """Draw the box that turns the keys of the switches on and off; the page's script remembers it."""
    keys = escape("|".join(say("Key {key} presses it, too", key=key) for key in (1, 2, 3)))
    box = f'<input type="checkbox" checked>{say("Keys 1, 2 and 3 press the switches")}'
    return f'<div class="mm" data-keys="{keys}"><label class="mm-keys">{box}</label></div>'


def tab_name(title: str) -> str:
    """Name a tab in a heading for those who hear the page."""
    return f'<div class="mm"><h2 class="mm-tab-name">{escape(title)}</h2></div>'


def leave() -> str:
    """Draw the button that leaves present mode, and the link from the embedded view to the whole page."""
    whole = f'<a class="mm-whole-page" href="./" target="_blank" rel="noopener">{say("Open the whole page")}</a>'
    return f'<div class="mm"><button type="button">{say("Leave (Esc)")}</button>{whole}</div>'


def troubles() -> dict[str, str]:
    """List the messages of the page's script for a browser that cannot do something, each with a way out.

    Keys: camera_denied, no_camera, camera_busy, no_microphone (a recording would have no sound), insecure (the
    browser offers no camera on this address), offline.
    """
    return {
        "camera_denied": say(
            "The browser is not allowed to use the camera. Allow camera and microphone for this page next"
            " to its address, then press Record yourself again; or upload a clip, or choose an example."
        ),
        "no_camera": say("No camera was found. Connect one and try again; or upload a clip, or choose an example."),
        "camera_busy": say(
            "The camera is used by another program. Close that program and try again; or upload a clip."
        ),
        "no_microphone": say(
            "No microphone was found: the recording would have no sound, and text and audio would be missing. Connect "
            "one and try again; or upload a clip with sound."
        ),
        "insecure": say(
            "The browser offers no camera at this address. Open the page over https or on the computer "
            "that it runs on; or upload a clip, or choose an example."
        ),
        "offline": say(
            "You are offline. Your clip is still here: wait until the connection is back, and do not load the page "
            "again. Until then switches and buttons do nothing."
        ),
    }


def notices() -> str:
    """Draw the hidden line where the page's script shows one of `troubles`."""
    said = " ".join(f'data-{key}="{escape(text)}"' for key, text in troubles().items())
    return f'<div class="mm"><p class="mm-notice" role="alert" hidden {said}></p></div>'


def dropped_title(modality: str) -> str:
    """Name the slider that drops part of a modality."""
    return {
        "text": say("Dropped words, %"),
        "audio": say("Dropped voice frames, %"),
        "vision": say("Dropped face frames, %"),
    }[modality]


def slower() -> str:
    """Explain that blur and noise need the media again."""
    said = say("Blur and noise go into the clip itself: this takes as long as reading it the first time.")
    return f'<div class="mm"><p class="mm-hint">{said}</p></div>'


def gone(seconds: int) -> str:
    """Say that a clip was deleted because its time was over, or that none was chosen."""
    return say("The clip is gone: clips are deleted after {minutes} minutes. Choose one.", minutes=seconds // 60)


def editable(utterance: Utterance) -> str:
    """Join the words that are not struck out, for a text box."""
    return " ".join(w.text for w in utterance.words if not w.struck)


def about() -> str:
    """Read the About text as Markdown, from `static/about.md` or its counterpart in the active language."""
    return _read(i18n.STATIC, "about").format(version=__version__)


def sources(folder: Path) -> str:
    """Read sources and licences of the example clips in `folder` as Markdown, from its README."""
    return _read(folder, "README")


def _read(folder: Path, name: str) -> str:
    own = folder / f"{name}.{i18n.active()}.md"
    return (own if own.is_file() else folder / f"{name}.md").read_text(encoding="utf-8")


def examples(folder: Path) -> str:
    """Draw buttons with a picture from each example clip in `folder`.

    Raises: MediaError when one is missing.
    """
    buttons = []
    for name, title in EXAMPLE_TITLES.items():
        shot = _shot(folder / name)
        drawn = f'<img src="{shot}" alt="">' if shot else f'<span class="mm-sound">{icon("audio")}</span>'
        buttons.append(f'<button data-clip="{name}">{drawn}<span class="mm-name">{known(title)}</span></button>')
    licences = say(
        "CREMA-D (ODbL), GRID (CC BY 4.0), LatentSync (Apache 2.0), Pexels (its licence), US government (public "
        "domain); sources under About."
    )
    return (
        f'<div class="mm"><h3 class="mm-examples-title">{say("Or try an example")}</h3>'
        f'<div class="mm-examples">{"".join(buttons)}</div>'
        f'<p class="mm-hint">{licences}</p></div>'
    )


@lru_cache
def _shot(path: Path) -> str:
    """Decode a picture from an example as a data address, once for all visitors; "" without pictures."""
    info = media.probe(path)
    images = (image for time_s, image in media.frames(path, info, 2.0, 240) if time_s >= info.duration_s / 3)
    image = next(images, None)
    return "" if image is None else picture(image)


def working(steps: Sequence[str], share: float) -> str:
    """Draw the current step, the steps before it, and the share of the work that is done (0..1)."""
    *done, now = [known(STEPS.get(s, s)) for s in steps]
    behind = "".join(f"<li>{escape(s)}</li>" for s in done)
    return (
        f'<div class="mm mm-status" role="status"><div class="mm-progress" role="progressbar" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{100 * share:.0f}" aria-label="{say("Analysis")}">'
        f'<i style="width:{100 * share:.0f}%"></i></div>'
        f'<ol class="mm-steps">{behind}<li class="mm-now">{escape(now)}</li></ol></div>'
    )


def finished(utterance: Utterance, seconds: float | None) -> str:
    """Say that a clip was read: just now in `seconds`, or beforehand (None)."""
    length = utterance.duration_s
    if seconds is None:
        said = say("an example of {length:.1f} s. Now switch something off.", length=length)
    else:
        said = say(
            "{length:.1f} s of clip read in {seconds:.1f} s. Now switch something off.", length=length, seconds=seconds
        )
    return f'<div class="mm mm-status mm-done" role="status"><p><b>{escape(utterance.id)}</b>: {said}</p></div>'


def failed(message: str) -> str:
    """Say why a clip could not be analysed; one of our own errors is translated."""
    return f'<div class="mm mm-status mm-failed" role="alert"><p>{escape(known(message))}</p></div>'


def state(utterance: Utterance, modality: str) -> str:
    """Describe a modality under its switch: what is present, or why it is missing. Plain text."""
    stream = utterance.stream(modality)
    if not stream.present:
        return say("Missing: {reason}", reason=known(str(stream.reason)))
    if modality == "text" and utterance.original is not None:
        return say("{n} words, edited", n=sum(not w.struck for w in utterance.words))
    if modality == "text":
        return say("{n} words heard", n=len(utterance.words))
    if modality == "audio":
        return say("{seconds:.1f} s of sound", seconds=utterance.duration_s)
    found = [t for t in utterance.thumbnails if t.box is not None]
    if not utterance.thumbnails:
        return say("face found")
    return say("face in {found} of {n} frames", found=len(found), n=len(utterance.thumbnails))
