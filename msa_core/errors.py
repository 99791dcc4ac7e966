"""Errors that a user can cause and repair, and the messages they carry.

Every message says what is wrong, the value seen and the way out.
"""

from __future__ import annotations

from collections.abc import Mapping

MOST_VALUE, MOST_TEXT = 400, 4000  # characters of a value, such as a name that was given, and of a whole sentence


class Message(str):
    """A finished English sentence that keeps the template and the values it was made from.

    It is plain text for JSON, logs, the terminal and comparisons; `i18n.known` translates it by its template. Stored
    by pickle it becomes a plain string.
    """

    template: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        """Keep the template through `str`, so that the text of an error can be translated too."""
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Pickle and copy as a plain string."""
        return str, (str.__str__(self),)


def shortened(text: str, most: int) -> str:
    """Cut the middle out of a text that is longer than anybody reads."""
    return text if len(text) <= most else f"{text[: most * 3 // 4]} [...] {text[-most // 5 :]}"


def message(template: str, /, **values: object) -> Message:
    """Make an English sentence that can be translated later.

    Args:
        template: a template of `str.format`, a key of the catalogues in `static/`.
        values: its fields; a value may be a message itself.
    """
    values = {name: shortened(v, MOST_VALUE) if type(v) is str else v for name, v in values.items()}
    made = Message(template.format(**values) if values else template)
    made.template, made.values = template, values
    return made


class MsaError(Exception):
    """Base of all expected errors; also raised directly for bad arguments and corpora."""

    def __init__(self, text: str = "", /, **values: object) -> None:
        """Keep the text of the error.

        Args:
            text: the finished sentence, or with `values` the template of a `message`.
            values: its fields.
        """
        plain = text if isinstance(text, Message) else shortened(text, MOST_TEXT)
        super().__init__(message(text, **values) if values else plain)

    @property
    def message(self) -> str:
        """The text of the error: a `Message` where it can be translated."""
        return self.args[0] if self.args else ""


def fault(error: Exception) -> str:
    """Write what failed with one item of a run: the sentence of an expected error, or the name of a fault."""
    return str(error) if isinstance(error, MsaError) else f"a fault of the program ({type(error).__name__}: {error})"


class MediaError(MsaError):
    """A file that cannot be opened, decoded or accepted as a clip."""


class FeatureError(MsaError):
    """Weights or features that are missing, altered, non-finite or of the wrong shape."""


class CheckpointError(MsaError):
    """A checkpoint that is unknown, altered, incomplete or bound to another feature set."""


class ProcessError(MsaError):
    """A process of a training on several of them that is gone, or cannot be reached."""
