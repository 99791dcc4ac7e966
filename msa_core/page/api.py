"""The named calls for programs (docs/api.md). Nothing of a clip outlives its call."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from msa_core import compare, lessons
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.evaluation import results
from msa_core.i18n import use
from msa_core.page import api_arguments
from msa_core.page.files import is_file
from msa_core.page.services import Services
from msa_core.page.session import Left
from msa_core.schema import Prediction, Utterance
from msa_core.views import prediction_csv, report


def named_calls(services: Services) -> None:
    """Offer every action under a stable name."""
    calls = Calls(services)
    for function, name in (
        (calls.analyse, "analyse"),
        (calls.compare, "compare"),
        (calls.report, "report"),
        (calls.csv, "csv"),
        (calls.lesson, "lesson"),
        (calls.evaluation, "evaluation"),
    ):
        gr.api(function, api_name=name, concurrency_limit=16)  # clips are claimed on arrival


class Calls:
    """The actions."""

    def __init__(self, services: Services) -> None:
        self._services, self._analyser = services, services.analyser
        self._one_at_a_time = threading.Lock()

    def analyse(
        self,
        clip: gr.FileData,
        dropped: list[str] | None = None,
        text_source: str = "transcript",
        method: str = "sdumc",
        frame_missing_rate: dict[str, float] | None = None,
        transcript: str | None = None,
        struck: list[int] | None = None,
        blur: float = 0.0,
        noise_db: float | None = None,
        spoken: str = "en",
        any_language: bool = False,
    ) -> dict[str, Any]:
        """Analyse one clip; the JSON object is that of docs/api.md. The clip is deleted before this returns."""
        with self._held(clip):
            how = self._check(dropped=dropped, text_source=text_source, method=method,
                              frame_missing_rate=frame_missing_rate, transcript=transcript, struck=struck, blur=blur,
                              noise_db=noise_db, spoken=spoken, any_language=any_language)  # fmt: skip
            utterance = self._read(clip, spoken, any_language, how)
            if transcript is not None or struck:
                utterance = self._analyser.edit(utterance, transcript, struck or ())
            return self._analyser.predict(utterance, method, dropped or (), text_source, frame_missing_rate).to_json()

    def compare(
        self,
        clip: gr.FileData,
        second: gr.FileData | None = None,
        spoken: str = "en",
        any_language: bool = False,
    ) -> dict[str, Any]:
        """Compare seven patterns, every method and both flows, and robustness; of a second clip too."""
        with self._held(clip, second):
            self._check(spoken=spoken, any_language=any_language)
            found = self._compared(clip, spoken, any_language)
            return found | ({} if second is None else {"second": self._compared(second, spoken, any_language)})

    def report(
        self, clip: gr.FileData, method: str = "sdumc", dropped: list[str] | None = None, language: str = "en"
    ) -> str:
        """Write the one-page report as HTML."""
        with self._held(clip):
            self._check(method=method, dropped=dropped, language=language)
            utterance = self._read(clip)
            with use(language):
                by_method = {m: self._switched(utterance, m, dropped) for m in self._analyser.methods}
                return report.report_html(utterance, by_method, method)

    def csv(self, clip: gr.FileData, method: str = "sdumc", dropped: list[str] | None = None) -> str:
        """Write the numbers of an analysis as CSV."""
        with self._held(clip):
            self._check(method=method, dropped=dropped)
            return prediction_csv.as_csv(self._switched(self._read(clip), method, dropped))

    def lesson(
        self, name: str, example: str | None = None, settings: dict[str, Any] | None = None, language: str = "en"
    ) -> dict[str, Any]:
        """Compute a lesson's answer and what its experiment finds, on an example clip."""
        with self._held():
            self._check(language=language)
            by_name = {x.name: x for x in lessons.LESSONS}
            found = by_name[api_arguments.one_of("name", name, list(by_name))]
            if not isinstance(settings, dict | None):
                raise MsaError(f"settings is {settings!r}; give an object with the names of the lesson's controls.")
            utterance = self._services.shipped.utterance(example or found.clip)
            with use(language):
                tried = found.experiment(self._analyser, utterance, **(settings or {}))
                answer = found.answer(self._analyser, utterance)
                return {"title": found.title, "question": found.texts.question, "choices": list(found.choices),
                        "correct": answer.correct, "holds": answer.holds, "said": answer.said,
                        "facts": dict(answer.facts),
                        "tried": {"said": tried.said, "facts": dict(tried.facts)}}  # fmt: skip

    def evaluation(self, name: str) -> dict[str, Any]:
        """Return one evaluation file, as the evaluation command wrote it."""
        with self._held():
            return json.loads(results.as_json(name))

    @contextmanager
    def _held(self, *clips: Any) -> Iterator[None]:
        """Claim the clips on arrival and delete them in every case; an error of ours is one line."""
        uploads = self._services.uploads
        claims = [(clip["path"], uploads.claim(clip["path"])) for clip in clips if is_file(clip)]
        try:
            yield
        except MsaError as e:
            raise gr.Error(str(e), print_exception=False) from e
        except Left as e:
            raise gr.Error("Nobody waits for the answer any more.", print_exception=False) from e
        finally:
            uploads.release_all(claims)

    def _check(self, **asked: Any) -> Degradation:
        return api_arguments.check(self._analyser.methods, **asked)

    def _read(
        self, clip: Any, spoken: str = "en", any_language: bool = False, how: Degradation | None = None
    ) -> Utterance:
        if not is_file(clip):
            raise MsaError("Give a clip: handle_file(PATH) of gradio_client.")
        self._services.rate.take(LocalContext.request.get(None))
        here = _waiting()
        with self._one_at_a_time:
            here()
            path = self._services.uploads.check(clip["path"])
            return self._analyser.extract(
                path, progress=lambda *_: here(), degradation=how, spoken=spoken, any_language=any_language
            )

    def _compared(self, clip: Any, spoken: str, any_language: bool) -> dict[str, Any]:
        utterance = self._read(clip, spoken, any_language)
        return {
            "comparison": compare.compare(self._analyser, utterance).to_json(),
            "robustness": compare.robustness(self._analyser, utterance).to_json(),
        }

    def _switched(self, utterance: Utterance, method: str, dropped: list[str] | None) -> Prediction:
        gone = dropped or ()
        return self._analyser.predict(utterance, method, gone, "simulated" if "text" in gone else "transcript")


def _waiting() -> Callable[[], None]:
    """Return a check that raises `Left` once the program that made this call has closed its connection.

    Gradio notes it on the event alone, and lets the work go on.
    """
    page, number = LocalContext.blocks.get(None), LocalContext.event_id.get(None)

    def check() -> None:
        jobs = page._queue.active_jobs if page is not None and number is not None else []
        if any(not event.alive for job in jobs for event in job or () if event._id == number):
            raise Left

    return check
