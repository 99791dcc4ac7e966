"""So many clips a minute for one visitor: the tab, the second clip and the named calls count together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from msa_core.errors import MsaError
from msa_core.i18n import known, use
from msa_core.page import rate
from msa_core.page.rate import Clips, Rate


def request(address: str = "10.0.0.1", forwarded: str = "") -> Any:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    return SimpleNamespace(headers=headers, client=SimpleNamespace(host=address))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    time = [1000.0]
    monkeypatch.setattr(rate.time, "monotonic", lambda: time[0])
    return time


def test_too_many_clips_are_refused_until_the_minute_is_over(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSA_RATE", "2")
    clips = Clips()
    clips.take(request())
    now[0] += 20
    clips.take(request())
    with pytest.raises(MsaError) as told:
        clips.take(request())
    assert str(told.value) == (
        "You have had 2 clips read within a minute. Wait 40 seconds, then choose the clip again."
    )
    with use("zh"):
        assert known(told.value.message).startswith("你在一分钟内")
    clips.take(request("10.0.0.2"))
    clips.take(request(forwarded="10.9.9.9, 10.0.0.1"))
    now[0] += 41
    clips.take(request())


def test_a_refusal_does_not_lengthen_the_wait(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSA_RATE", "1")
    clips = Clips()
    clips.take(request())
    for _ in range(3):
        now[0] += 15
        with pytest.raises(MsaError):
            clips.take(request())
    now[0] += 16
    clips.take(request())


def test_who_has_gone_is_forgotten(now: list[float]) -> None:
    seen = Rate(5)
    seen.add("a")
    now[0] += 61
    assert seen.wait_s("b") == 0 and seen._lately == {}


def test_no_limit_and_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSA_RATE", "0")
    clips = Clips()
    for _ in range(200):
        clips.take(None)
    monkeypatch.delenv("MSA_RATE")
    clips = Clips()
    for _ in range(rate.CLIPS):
        clips.take(request())
    with pytest.raises(MsaError, match=f"had {rate.CLIPS} clips"):
        clips.take(request())


def test_a_rate_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSA_RATE", "many")
    with pytest.raises(MsaError, match="MSA_RATE is 'many'; give the clips"):
        Clips()


def test_the_page_counts_what_it_reads(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named call and an event of the page, from one address, over the limit: a sentence, and the clip is deleted."""
    import httpx

    from msa_core import prepared
    from msa_core.page.build import build, launch
    from msa_core.soak.tab import Refused, Tab

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setenv("MSA_RATE", "1")
    monkeypatch.setattr(prepared, "utterance", lambda clip: None)
    read: list[str] = []

    def extract(path: str, **_: Any) -> Any:
        read.append(path)
        raise MsaError("This clip is empty.")

    stand_in: Any = SimpleNamespace(methods=("sdumc",), extract=extract, reads_simulated_text=lambda _: True)
    page = build(stand_in)
    _, url, _ = launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        with Tab(url.rstrip("/"), "192.0.2.7") as tab:
            for sentence in ("This clip is empty.", "You have had 1 clips read within a minute."):
                tab.set({"mm-clip": tab.upload("mine.mp4", b"x")})
                tab.run("page_analyse")
                assert sentence in tab.value("mm-status")
            file = tab.upload("mine.mp4", b"x")
            here = {"x-forwarded-for": "192.0.2.7"}
            asked = {"data": [file, None, "transcript", "sdumc", None, None, None, 0.0, None, "en", False]}
            event = httpx.post(f"{url}gradio_api/call/analyse", json=asked, headers=here, timeout=60).json()["event_id"]
            said = httpx.get(f"{url}gradio_api/call/analyse/{event}", headers=here, timeout=60).text
            assert "event: error" in said and "You have had 1 clips read" in said
        assert len(read) == 1 and [p for p in tmp_path.rglob("*.mp4")] == []
        with Tab(url.rstrip("/"), "192.0.2.8") as other, pytest.raises(Refused):
            other.upload("large.mp4", bytes(60 * 2**20))
    finally:
        page.close()
