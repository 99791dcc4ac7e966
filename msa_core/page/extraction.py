"""The worker that reads a clip while its event tells the visitor how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from msa_core.degrade import Degradation
from msa_core.page.gpu import gpu
from msa_core.page.session import Left
from msa_core.predict import Analyser
from msa_core.schema import Utterance

Step = tuple[str, float]  # the name of a step, and the share of all work that is done (0..1)
Extraction = Callable[[str, Degradation, str, Callable[[], None]], Iterator[Step | Utterance]]


def extraction(analyser: Analyser) -> Extraction:
    """Return a generator function that reads one clip."""

    @gpu
    def extract(clip: str, how: Degradation, spoken: str, here: Callable[[], None]) -> Iterator[Step | Utterance]:
        """Yield the steps as they happen, then the utterance.

        Closed early, it tells its worker to stop and does not wait: gradio closes it where all visitors are served.

        Args:
            clip: a path.
            how: the degradation done to the media.
            spoken: language of the speech.
            here: raises Left when the visitor is gone.

        Raises: MsaError; Left.
        """
        news: SimpleQueue[Step | None] = SimpleQueue()
        unwanted = threading.Event()

        def tell(step: str, share: float) -> None:
            here()
            if unwanted.is_set():
                raise Left
            news.put((step, share))

        worker = ThreadPoolExecutor(1)
        try:
            job = worker.submit(analyser.extract, clip, progress=tell, degradation=how, spoken=spoken)
            job.add_done_callback(lambda _: news.put(None))
            while (item := news.get()) is not None:
                yield item
            yield job.result()
        finally:
            unwanted.set()
            worker.shutdown(wait=False)

    return extract
