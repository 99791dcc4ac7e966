"""Protection of CSV cells against texts that a spreadsheet would calculate."""

import re

# How a text begins that a spreadsheet would calculate; a plain number is not calculated.
_FORMULA = re.compile(r"(?![+-]?\d+(\.\d+)?\Z)(\s*[=+\-@＝＋－＠]|[\t\r\n])")


def harmless(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula (OWASP, "CSV Injection")."""
    return f"'{text}" if _FORMULA.match(text) else text


def given(text: str) -> str:
    """Take away the apostrophe that `harmless` put before a text."""
    return text[1:] if text.startswith("'") and harmless(text[1:]) == text else text
