"""Lines about links: the field of a copied one, and what an address asked for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from msa_core.i18n import known, say


def link_field() -> str:
    """Draw the hidden field that shows a copied link; the page's script fills it."""
    told = {
        "copied": say("Link copied."),
        "selected": say("This browser does not let the page copy: the link is selected, copy it with Ctrl+C or ⌘C."),
        "own": say("Your own clip is never part of a link: this one holds the method, the switches and the language."),
        "second": say("Your own second clip is never part of a link: Compare opens without it."),
    }
    data = " ".join(f'data-{key}="{escape(text)}"' for key, text in told.items())
    close = f'<button type="button">{say("Close")}</button>'
    field = f'<input type="text" readonly aria-label="{escape(say("Link to what you see"))}">'
    said = '<p class="mm-link-said" role="status"></p>'
    return f'<div class="mm"><div class="mm-shared" {data} hidden>{said}{field}{close}</div></div>'


def link_line(unknown: Sequence[str], waiting: bool, no_clip: bool) -> str:
    """Say what of an address is not known, and what it does; "" when there is nothing to say.

    Args:
        unknown: sentences about values.
        waiting: its example is being read.
        no_clip: it sets something, and names no clip.
    """
    said = [known(text) for text in unknown]
    said += [say("The link is being opened: its example is read.")] if waiting else []
    said += [say("The link names no clip: the one that you choose is answered with its settings.")] if no_clip else []
    lines = "".join(f"<p>{escape(text)}</p>" for text in said)
    return f'<div class="mm mm-status mm-link-line" role="status">{lines}</div>' if lines else ""
