"""The services that all visitors share; clips are dropped when a tab closes or their time is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from msa_core.page.files import EXAMPLES, Uploads
from msa_core.page.gpu import gpu_reader
from msa_core.page.hall import Halls
from msa_core.page.rate import Clips
from msa_core.page.session import Presence, Shipped, Visit
from msa_core.predict import Analyser

KEEP_S = 900  # seconds a clip and its features stay, at most


def upload_folder() -> Path:
    """Return gradio's temporary folder."""
    return Path(gr.utils.get_upload_folder()).resolve()


@dataclass(frozen=True)
class Services:
    """The loaded models, examples, claims on uploads, open tabs, lecture halls, and the clips of each visitor."""

    analyser: Analyser
    shipped: Shipped
    uploads: Uploads = field(default_factory=lambda: Uploads(upload_folder))
    presence: Presence = field(default_factory=Presence)
    halls: Halls = field(default_factory=Halls)
    rate: Clips = field(default_factory=Clips)
    gpu_reader: Analyser | None = None  # reads clips while a GPU is reserved

    @staticmethod
    def around(analyser: Analyser) -> Services:
        """Return the services of a page around loaded models."""
        return Services(analyser, Shipped(EXAMPLES, analyser.extract), gpu_reader=gpu_reader(analyser))


def forgetting(page: gr.Blocks, services: Services) -> Callable[[Visit | None], None]:
    """Return what drops a clip whose time is over: its file, its features, and gradio's copies of the drawings."""

    def forget(visit: Visit | None) -> None:
        if visit is not None:
            services.uploads.release_all(visit.claims)
            page.state_holder.session_data.pop(visit.session or "", None)

    return forget


def leaving(page: gr.Blocks, services: Services) -> Callable[[gr.Request], None]:
    """Return what drops everything of a tab when it closes, and stops what is computed for it."""

    def leave(request: gr.Request) -> None:
        session = request.session_hash or ""
        services.presence.leave(session)
        page.state_holder.delete_state(session)
        page.state_holder.session_data.pop(session, None)

    return leave
