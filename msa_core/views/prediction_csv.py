"""A prediction as one CSV table, the same in every language."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from msa_core.schema import Prediction
from msa_core.views.csv_safe import harmless
from msa_core.views.report import word_attention

COLUMNS = ("section", "key", "start_s", "end_s", "value", "text")

Times = tuple[float | None, float | None]
ValueRow = tuple[str, str, float | None, float | None, float | None, str | None]


def as_csv(prediction: Prediction) -> str:
    """Export a prediction as CSV: all that its JSON holds, one value a row; lines as in RFC 4180, no byte order mark.

    `value` holds numbers only and `text` words only; the value of a word is its attention. A text that a spreadsheet
    would take for a formula gets an apostrophe before it; numbers stay numbers.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for *cells, text in _rows(prediction):
        writer.writerow([*(harmless(c) if isinstance(c, str) else c for c in cells), text and harmless(text)])
    return out.getvalue()


def _rows(prediction: Prediction) -> Iterator[ValueRow]:
    for section, content in prediction.to_json().items():
        if section == "words" and isinstance(content, list):
            content = [{**w, "attention": a} for w, a in zip(content, word_attention(prediction), strict=True)]
        if isinstance(content, Mapping | list):
            yield from _flat(section, "", content)
        else:
            yield from _flat("prediction", section, content)


def _flat(section: str, key: str, value: object, times: Times = (None, None)) -> Iterator[ValueRow]:
    """Flatten `value` into rows, each with its path as key.

    A value with a start and an end keeps them; its one number and its one text share a row.
    """
    if isinstance(value, Mapping | list | tuple):
        inside = dict(value if isinstance(value, Mapping) else enumerate(value, 1))
        if {"start_s", "end_s"} <= inside.keys():
            times = inside.pop("start_s"), inside.pop("end_s")
            number = next((k for k, v in inside.items() if _is_number(v)), None)
            word = next((k for k, v in inside.items() if isinstance(v, str)), None)
            yield section, key, *times, inside.pop(number, None), inside.pop(word, None)
        for name, part in inside.items():
            yield from _flat(section, f"{key}.{name}" if key else str(name), part, times)
    elif _is_number(value):
        yield section, key, *times, value, None
    elif value is not None or times == (None, None):  # a null beside a time is the empty cell of its row
        text = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        yield section, key, *times, None, text


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
