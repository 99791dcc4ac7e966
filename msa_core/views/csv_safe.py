"""Texts in the cells of a CSV file: none of them may begin a formula."""

import re

# How a text begins that a spreadsheet would calculate; a plain number is not calculated.
_FORMULA = re.compile(r"(?![+-]?\d+(\.\d+)?\Z)(\s*[=+\-@＝＋－＠]|[\t\r\n])")


def harmless(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would take for a formula. OWASP, "CSV Injection"."""
    return f"'{text}" if _FORMULA.match(text) else text
