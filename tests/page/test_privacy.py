"""Every sentence that the page and docs/security.md say about privacy has a test that fails when it is not so."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gradio.state_holder import StateHolder
from paths import ROOT

from msa_core import prepared
from msa_core.page.build import build
from msa_core.page.services import KEEP_S
from msa_core.views import page_parts

ANALYSE, LIVE, API = "browser/test_analyse.py", "browser/test_live.py", "browser/test_api.py"
REPLACED = f"{ANALYSE}::test_upload_is_analysed_and_deleted_when_replaced_or_left"
REFUSED = "page/test_events.py::test_a_clip_that_fails_is_deleted_before_it_is_said"
CLOSED = "browser/test_visitors.py::test_a_tab_closed_during_the_analysis_stops_it"
IN_TIME = "page/test_privacy.py::test_a_clip_and_its_features_go_when_their_time_is_over"
SECOND = "browser/test_compare.py::test_a_second_clip_of_ones_own_is_deleted_once_read_and_can_be_taken_away"
CONSENT = f"{ANALYSE}::test_recording_needs_consent_and_is_analysed"
STOPS = f"{ANALYSE}::test_a_recording_shows_its_seconds_and_stops_by_itself"
TALKING = f"{LIVE}::test_a_modality_is_pulled_out_while_talking"
WINDOW = "test_live.py::test_pictures_too_near_are_left_out_and_nothing_grows"
SEATS = "page/test_seats.py::test_one_who_is_not_heard_of_loses_the_seat_and_the_place"
SWEPT = "page/test_files.py::test_what_nobody_claims_is_swept_by_its_age"
ENDED = "page/test_ending.py::test_sigterm_leaves_no_file"
KILLED = "page/test_folders.py::test_what_a_killed_process_left_is_deleted"
OWN_FOLDER = "page/test_folders.py::test_uploads_lie_in_a_folder_that_nobody_else_reads"
FREED = "test_media_leftovers.py::test_a_clip_leaves_no_picture_and_no_thread"
NOT_WRITTEN = "soak/test_soak.py::test_a_soak_of_the_page"
NO_REQUEST = "browser/test_headers.py::test_an_analysis_breaks_no_policy"
ADDRESSES = "page/test_addresses.py::test_every_event_refuses_addresses"
SAVED = "browser/test_changes.py::test_files_are_saved_as_shown"
NO_LOG = "page/test_bad_requests.py::test_every_event_refuses_what_does_not_fit"
LIMITS = "page/test_rate.py::test_who_has_gone_is_forgotten"
QUOTA = "page/test_door.py::test_what_a_visitor_sent_long_ago_is_forgotten"
COPIES = "browser/test_changes.py::test_blur_and_noise_are_in_the_media_and_read_again"
NAMED = f"{API}::test_analyse_gives_the_public_json"

BACKED = {  # the beginning of a sentence -> tests
    # the line on the page, and the terms of the camera
    "Nothing is kept.": (REPLACED, CLOSED, IN_TIME),
    "Your clip is deleted when you choose another one,": (REPLACED, CLOSED, IN_TIME),
    "Nothing leaves this server.": (NO_REQUEST, ADDRESSES),
    "Before the camera opens": (CONSENT,),
    "Your camera and microphone record only between Record and Stop;": (CONSENT, STOPS),
    "It goes to this server, is read once and deleted as stated below.": (CONSENT, REPLACED),
    "Record only yourself, or people who agree.": (),
    "Your browser will ask for permission too.": (),
    # About
    "**The camera** opens only after you have agreed,": (CONSENT,),
    "**Live** sends pictures and sound only between Start and Stop;": (TALKING, WINDOW),
    "**The clip** is kept in a temporary folder": (OWN_FOLDER, REPLACED),
    "It is deleted at once when it cannot be read, and otherwise when you": (REFUSED, REPLACED, CLOSED, IN_TIME),
    "Whatever is made from it": (COPIES, IN_TIME),
    "A second clip for comparison is deleted as soon as it has been read.": (SECOND,),
    "**What was read from it**": (IN_TIME, NOT_WRITTEN),
    "**Files that you save** go from the page": (SAVED,),
    "The page contacts no other server, needs no account and counts no visits.": (NO_REQUEST, ADDRESSES),
    "So that nobody takes the server for himself,": (LIMITS, QUOTA),
    # docs/security.md
    "The camera opens only after the visitor has agreed,": (CONSENT, STOPS),
    "A clip lies in a temporary folder of the server that its user alone may read,": (OWN_FOLDER,),
    "It is deleted at once when it cannot be read, and otherwise when it": (REFUSED, REPLACED, CLOSED, IN_TIME),
    "Copies made from it follow the same rule.": (COPIES, IN_TIME),
    "An upload that broke off or was never analysed,": (SWEPT, ENDED, KILLED),
    "Decoded pictures and sound are freed": (FREED,),
    "Extracted features stay in memory as long and are never written to disk.": (IN_TIME, NOT_WRITTEN),
    "The Live tab sends nothing before Start is pressed": (
        TALKING,
        f"{LIVE}::test_the_next_visitor_waits_for_the_place",
    ),
    "What it sends goes into memory only,": (TALKING, WINDOW, SEATS),
    "A named call deletes its clip before it returns.": (NAMED,),
    "Only a fault of the program leaves a traceback in the server's log.": (NO_LOG, ADDRESSES),
    "Files that a visitor saves go from the page": (SAVED,),
    "Addresses of visitors stay in memory": (LIMITS, QUOTA),
    # README
    "Nothing leaves the machine.": (NO_REQUEST, ADDRESSES),
    "Clips and features are deleted when replaced,": (REPLACED, CLOSED, IN_TIME),
}


def part(path: Path, heading: str) -> str:
    """The text below a heading."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", path.read_text(), re.S | re.M)
    assert found, f"{path.name} has no {heading}"
    return found[1]


def sentences() -> list[str]:
    """Everything that is said about privacy, sentence by sentence."""
    drawn = [re.sub(r"<[^>]+>", "\n", text) for text in (page_parts.privacy(), page_parts.consent())]
    read = [
        part(ROOT / "msa_core" / "static" / "about.md", "Privacy"),
        part(ROOT / "docs" / "security.md", "Clips on the page").partition("- ")[2],
        part(ROOT / "README.md", "Privacy"),
    ]
    lines = [line.strip().removeprefix("- ") for text in (*drawn, *read) for line in text.split("\n")]
    return [s for line in lines for s in re.split(r"(?<=[.])\s+(?=[A-Z*])", line) if s]


def test_every_sentence_is_backed() -> None:
    said, bare = sentences(), []
    for sentence in said:
        if not any(sentence.startswith(beginning) for beginning in BACKED):
            bare.append(sentence)
    assert bare == [], "name the test that fails when this is not so"
    unsaid = [b for b in BACKED if not any(s.startswith(b) for s in said)]
    assert unsaid == [], "said nowhere any more"


def test_the_tests_that_are_named_are_there() -> None:
    for name in {name for names in BACKED.values() for name in names}:
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(), name


def test_a_clip_and_its_features_go_when_their_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(prepared, "utterance", lambda clip: None)
    stand_in: Any = SimpleNamespace(methods=("sdumc",), extract=None, reads_simulated_text=lambda _: True)
    page = build(stand_in)
    assert page.delete_cache is not None and page.delete_cache[0] + KEEP_S <= 20 * 60
    files = [tmp_path / "a" / "mine.mp4", tmp_path / "a" / "copy.mp4"]
    files[0].parent.mkdir()
    claims = []
    for file in files:
        file.write_bytes(b"face")
        claims.append((str(file), page.uploads.claim(str(file))))  # type: ignore[attr-defined]
    holder = StateHolder()  # as `launch` makes one
    holder.set_blocks(page)
    state = holder["somebody"]
    (visit,) = [
        b for b in page.blocks.values() if b.get_block_name() == "state" and b.delete_callback.__name__ == "forget"
    ]
    state[visit._id] = SimpleNamespace(claims=claims, session="somebody")
    holder.delete_all_expired_state()
    assert files[0].exists() and files[1].exists()
    ttl, when = state._state_ttl[visit._id]
    assert ttl == KEEP_S
    state._state_ttl[visit._id] = (ttl, when - datetime.timedelta(seconds=KEEP_S + 1))
    holder.delete_all_expired_state()
    assert not files[0].parent.exists()
    assert visit._id not in state.state_data
