"""The worker that reads a clip while its event tells the visitor how far it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue

import gradio as gr

from msa_core.degrade import Degradation
from msa_core.page.gpu import reserved
from msa_core.page.services import Services
from msa_core.page.session import Left
from msa_core.predict import Analyser
from msa_core.schema import Utterance

Step = tuple[str, float]  # the name of a step, and the share of all work that is done (0..1)
Steps = Iterator[Step | Utterance]
Extraction = Callable[..., Steps]  # see `extract` below


def extraction(services: Services) -> Extraction:
    """Return a generator function that reads one clip, on a reserved GPU where there are such."""
    steps = _with_reservation(services.analyser, services.gpu_reader)

    def extract(
        clip: str, how: Degradation, spoken: str, here: Callable[[], None], any_language: bool = False
    ) -> Steps:
        """Yield the steps as they happen, then the utterance.

        Closed early, it tells its worker to stop and does not wait: gradio closes it where all visitors are served.

        Args:
            clip: a path.
            how: the degradation done to the media.
            spoken: language of the speech.
            here: raises Left when the visitor is gone.
            any_language: whether words are used whatever language they sound like.

        Raises: MsaError; Left.
        """
        news: SimpleQueue[Step | Utterance | None] = SimpleQueue()
        unwanted = threading.Event()

        def work() -> None:
            with closing(steps(clip, how, spoken, any_language)) as reading:  # type: ignore[type-var]
                for item in reading:
                    here()
                    if unwanted.is_set():
                        raise Left
                    news.put(item)

        worker = ThreadPoolExecutor(1)
        try:
            job = worker.submit(copy_context().run, work)  # gradio knows by the context whose event it is
            job.add_done_callback(lambda _: news.put(None))
            while (item := news.get()) is not None:
                yield item
            job.result()
        finally:
            unwanted.set()
            worker.shutdown(wait=False)

    return extract


def _with_reservation(analyser: Analyser, gpu_reader: Analyser | None) -> Callable[..., Steps]:
    """Return `_steps` of a reader; a clip that gets no GPU is read by the other one, on the CPU."""
    on_cpu = _steps(analyser)
    if gpu_reader is None:
        return on_cpu
    on_gpu = reserved(_steps(gpu_reader))

    def steps(clip: str, how: Degradation, spoken: str, any_language: bool) -> Steps:
        try:
            yield from on_gpu(clip, how, spoken, any_language)
        except gr.Error as e:
            logging.warning("no GPU (%s): the clip is read on the CPU", e)
            yield from on_cpu(clip, how, spoken, any_language)

    return steps


def _steps(analyser: Analyser) -> Callable[..., Steps]:
    """Return a generator function of plain arguments that reads one clip.

    It may run in a process of its own. Every step waits until it was taken; closed, the reading stops at its step.
    """

    def steps(clip: str, how: Degradation, spoken: str, any_language: bool) -> Steps:
        news: SimpleQueue[Step | None] = SimpleQueue()
        wanted: SimpleQueue[bool] = SimpleQueue()

        def tell(step: str, share: float) -> None:
            news.put((step, share))
            if not wanted.get():
                raise Left

        worker = ThreadPoolExecutor(1)
        try:
            read = partial(analyser.extract, clip, progress=tell, degradation=how, spoken=spoken)
            job = worker.submit(read, any_language=any_language)
            job.add_done_callback(lambda _: news.put(None))
            while (item := news.get()) is not None:
                yield item
                wanted.put(True)
            yield job.result()
        finally:
            wanted.put(False)
            worker.shutdown(wait=False)

    return steps
