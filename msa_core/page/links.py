"""State of the page in an address: an example with its settings as plain query parameters, written and read.

Nothing of a visitor's own clip is ever part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from msa_core import degrade, edit, lessons
from msa_core.clip_reader import SPOKEN
from msa_core.degrade import Degradation
from msa_core.errors import Message, message, shortened
from msa_core.i18n import LANGUAGES
from msa_core.page.analyse_inputs import AnalyseInputs
from msa_core.page.files import EXAMPLES
from msa_core.page.session import Kept, Settings, Visit
from msa_core.schema import MODALITIES
from msa_core.views import numbers
from msa_core.views.page_parts import EXAMPLE_TITLES

TABS = ("analyse", "live", "compare", "learn", "numbers", "about")
SECOND, LESSON_CLIP = "second", "lesson_clip"  # Compare's second clip, the example of all lessons
ABSENT_TEXT = ("simulated", "none")
DROPS = frozenset(f"{m}:{percent}" for m in MODALITIES for percent in range(0, 100, 10))  # as the sliders step
DROP_FORM = f"{'|'.join(MODALITIES)}:0 ... 90"
WORDS = frozenset(map(str, range(edit.MAX_CHARACTERS)))  # numbers of the words of the longest text
SHOWN = 40  # characters of a value that is not known
LONGEST = 16_000  # characters of the parameters that are read
Pair = tuple[str, str]


@dataclass(frozen=True)
class Link:
    """What a link asks for; `write` leaves out what is as on a page just opened.

    Args:
        clip: file name of an example; "" for none.
        method: a name of `Analyser.methods`; "" for the first.
        off: modalities that are switched off.
        drop: percent of dropped frames by modality.
        absent_text: what stands in for text that is off.
        words: the typed words; None for those that are heard.
        struck: numbers of words that are struck out.
        degradation: blur and noise.
        spoken: language of the speech.
        any_language: whether words are used whatever language they sound like.
        chosen: values of `choices`, those of a page just opened left out.
    """

    clip: str = ""
    method: str = ""
    off: tuple[str, ...] = ()
    drop: Mapping[str, int] = field(default_factory=dict)
    absent_text: str = "simulated"
    words: str | None = None
    struck: tuple[int, ...] = ()
    degradation: Degradation = Degradation()
    spoken: str = "en"
    any_language: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def sets_analysis(self) -> bool:
        """Whether something of Analyse is asked for."""
        return replace(self, chosen={}) != Link()

    def kept(self, first_method: str) -> Kept:
        """Return the settings and words of the link as those of a clip."""
        on = {m: m not in self.off for m in MODALITIES}
        rates = {m: self.drop.get(m, 0) / 100 for m in MODALITIES}
        settings = Settings(on, rates, self.absent_text, self.method or first_method)
        return Kept(settings, self.words, frozenset(self.struck))


def choices() -> dict[str, tuple[Collection[str], str | None]]:
    """List the choices of the other tabs by their parameter: the known values, and that of a page just opened."""
    clips = {name: (EXAMPLE_TITLES, "") for name in (SECOND, LESSON_CLIP)}
    return clips | {name: ([value for _, value in known], start) for name, _, known, start in numbers.choices()}


def example_of(visit: Visit | None) -> str:
    """Return the file name of the example that a visitor looks at; "" for none, and for a clip of their own."""
    path = None if visit is None else Path(visit.original)
    return path.name if path is not None and path.parent == EXAMPLES and path.name in EXAMPLE_TITLES else ""


def link_of(inputs: AnalyseInputs, values: Mapping[str, str | None] | None = None) -> Link:
    """Return the link to what a visitor sees; of a clip of their own to the method and the switches alone.

    Args: values: of `choices`; None for a clip of the visitor's own.
    """
    known = choices()
    chosen = {name: value for name, value in (values or {}).items() if value and value != known[name][1]}
    return replace(_analysis(inputs), chosen=chosen)


def _analysis(inputs: AnalyseInputs) -> Link:
    """Return the link to what is seen on Analyse."""
    visit, settings, clip = inputs.visit, inputs.settings, example_of(inputs.visit)
    if visit is None:
        return Link(method=settings.method, absent_text=settings.absent_text)
    kept = Kept.of(visit, inputs.edit, settings)
    off = tuple(m for m in MODALITIES if not kept.settings.on[m])
    drop = {m: round(100 * rate) for m, rate in settings.rates.items() if rate > 0}
    if not clip:
        return Link("", settings.method, off, drop, settings.absent_text)
    struck = tuple(sorted(kept.struck))
    return Link(
        clip, settings.method, off, drop, settings.absent_text, kept.transcript, struck, visit.degradation,
        visit.spoken, visit.any_language,
    )  # fmt: skip


def write(link: Link) -> str:
    """Write a link as the query of an address, without tab and language: the browser knows these."""
    noise = link.degradation.noise_db
    pairs: list[Pair] = [
        ("clip", link.clip),
        ("method", link.method),
        ("off", ",".join(link.off)),
        ("drop", ",".join(f"{m}:{percent}" for m, percent in link.drop.items())),
        ("absent_text", "" if link.absent_text == ABSENT_TEXT[0] else link.absent_text),
        ("words", link.words or ""),
        ("struck", ",".join(map(str, link.struck))),
        ("blur", f"{link.degradation.blur:g}" if link.degradation.blur else ""),
        ("noise", "" if noise is None else f"{noise:g}"),
        ("spoken", "" if link.spoken == "en" else link.spoken),
        ("any_language", "1" if link.any_language else ""),
        *link.chosen.items(),
    ]
    return urlencode([(name, value) for name, value in pairs if value], safe=",:")


def read(query: str, methods: Collection[str]) -> tuple[Link, list[Message]]:
    """Read the query of an address, of any content.

    Args:
        query: with or without its question mark.
        methods: the loaded ones.

    Returns: What is known of it, and a sentence for each parameter with a value that is not; it counts as not given.
    """
    given: dict[str, str] = {}
    for name, value in parse_qsl(query[:LONGEST].removeprefix("?"), keep_blank_values=True):
        given.setdefault(name, value)
    reader = _Reader(given)
    blur = reader.number("blur", 0, degrade.MAX_BLUR)
    noise = reader.number("noise", degrade.MIN_NOISE_DB, degrade.MAX_NOISE_DB)
    dropped = [item.split(":") for item in reader.several("drop", DROPS, DROP_FORM)]
    link = Link(
        clip=reader.one("clip", EXAMPLE_TITLES),
        method=reader.one("method", methods),
        off=tuple(reader.several("off", MODALITIES)),
        drop={m: int(percent) for m, percent in dropped},
        absent_text=reader.one("absent_text", ABSENT_TEXT) or ABSENT_TEXT[0],
        words=reader.words(),
        struck=tuple(map(int, reader.several("struck", WORDS, "0, 1, 2, ..."))),
        degradation=Degradation(blur or 0.0, noise),
        spoken=reader.one("spoken", SPOKEN) or "en",
        any_language=bool(reader.one("any_language", ("1",))),
        chosen={
            name: value
            for name, (known, start) in choices().items()
            if (value := reader.one(name, known)) and value != start
        },
    )
    for name, known in (("tab", TABS), ("lesson", [x.name for x in lessons.LESSONS]), ("lang", LANGUAGES)):
        reader.one(name, known)  # the browser opens them
    return link, reader.unknown


class _Reader:
    """The values of an address by name; what is not known becomes a sentence in `unknown`."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given, self.unknown = given, list[Message]()

    def one(self, name: str, known: Collection[str]) -> str:
        """Return a value that is one of the known ones, or ""."""
        value = self._given.get(name)
        if value is None or value in known:
            return value or ""
        self._ignore(name, value, ", ".join(known))
        return ""

    def several(self, name: str, known: Collection[str], form: str = "") -> list[str]:
        """Return the known ones of several values with commas between, each once. Args: form: says what is known."""
        values = list(dict.fromkeys(v for v in self._given.get(name, "").split(",") if v))
        if strange := [v for v in values if v not in known]:
            self._ignore(name, ",".join(strange), form or ", ".join(known))
        return [v for v in values if v in known]

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return a number in a range, or None."""
        if name not in self._given:
            return None
        try:
            value = float(self._given[name])
        except ValueError:
            value = float("nan")
        if low <= value <= high:  # false for NaN
            return value
        self._ignore(name, self._given[name], f"{low:g} ... {high:g}")
        return None

    def words(self) -> str | None:
        """Return typed words that are not too long, or None."""
        value = self._given.get("words")
        if value is None or len(value) <= edit.MAX_CHARACTERS:
            return value or None
        self._ignore("words", value, message("at most {limit} characters", limit=edit.MAX_CHARACTERS))
        return None

    def _ignore(self, name: str, value: str, known: str) -> None:
        shown = repr(shortened(value, SHOWN))
        self.unknown.append(
            message("{name} is {value} in the address, which is not known and was ignored; known: {known}.", name=name,
                    value=shown, known=known)
        )  # fmt: skip
