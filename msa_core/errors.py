"""Errors that a user can cause and repair, and the messages they carry.

Every message says what is wrong, the value seen and the way out.
"""

from __future__ import annotations

from collections.abc import Mapping


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


def message(template: str, /, **values: object) -> Message:
    """Make an English sentence that can be translated later.

    Args:
        template: a template of `str.format`, a key of the catalogues in `static/`.
        values: its fields; a value may be a message itself.
    """
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
        super().__init__(message(text, **values) if values else text)

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
