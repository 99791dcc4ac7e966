"""The few characters of a document as embedded fonts, so that its PDF stays small and can be searched.

Needs fontconfig, Noto Sans CJK (SIL Open Font License 1.1) and fontTools; only the teacher's sheet does.
"""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
from typing import Any

from msa_core.errors import MsaError

FAMILIES = {"zh": "Noto Sans CJK SC"}
FAMILY = "Noto Sans CJK KR"  # of other languages: its quotes are as narrow as their letters
REPAIR = "Install fontconfig and Noto Sans CJK (fonts-noto-cjk), and fontTools: pip install fonttools."
ERROR = 2.0  # thousandths of an em that an outline may move when its cubic curves become quadratic
NO_HINTS = ("maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs", "maxStackElements")


def faces(text: str, bold: str, language: str) -> str:
    """CSS of the family "Sheet" with the characters of `text`, and of `bold` in bold. Raises: MsaError."""
    family = FAMILIES.get(language, FAMILY)
    found = ""
    for weight, characters in (("regular", text), ("bold", bold)):
        data = base64.b64encode(_subset(family, weight, characters)).decode()
        source = f"src: url(data:font/ttf;base64,{data})"
        found += f"@font-face {{ font-family: Sheet; font-weight: {_CSS[weight]}; {source}; }}\n"
    return found


_CSS = {"regular": 400, "bold": 700}


def _subset(family: str, weight: str, characters: str) -> bytes:
    """A TrueType font of these characters: Chromium embeds it once, an OpenType one as a drawing per glyph."""
    try:
        from fontTools import subset
    except ImportError as e:
        raise MsaError(f"fontTools is not installed. {REPAIR}") from e
    file, index = _find(family, weight)
    options = subset.Options()
    options.layout_features, options.hinting, options.desubroutinize = [], False, True
    options.font_number, options.recalc_bounds = index, True
    font = subset.load_font(file, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(font)
    _to_truetype(font)
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()


def _find(family: str, weight: str) -> tuple[str, int]:
    """File and number in it of the family. Raises: MsaError when fontconfig knows another family only."""
    command = ["fc-match", "-f", "%{file}|%{index}|%{family}", f"{family}:weight={weight}"]
    if shutil.which(command[0]) is None:
        raise MsaError(f"fontconfig (fc-match) is not installed. {REPAIR}")
    file, index, found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("|", 2)
    if family not in found:
        raise MsaError(f"{family} is not installed; the nearest font is {found}. {REPAIR}")
    return file, int(index)


def _to_truetype(font: Any) -> None:
    """Quadratic outlines in place of the cubic ones of a CFF table."""
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib import newTable

    drawn, order, glyphs = font.getGlyphSet(), font.getGlyphOrder(), {}
    for name in order:
        pen = TTGlyphPen(drawn)
        drawn[name].draw(Cu2QuPen(pen, ERROR, reverse_direction=True))
        glyphs[name] = pen.glyph()
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, glyphs
    for table in ("CFF ", "VORG"):
        if table in font:
            del font[table]
    font["glyf"].compile(font)
    font["maxp"].tableVersion, font["maxp"].maxZones = 0x00010000, 1
    for field in (*NO_HINTS, "maxSizeOfInstructions", "maxComponentElements"):
        setattr(font["maxp"], field, 0)
    font["post"].formatType, font.sfntVersion = 3.0, "\000\001\000\000"
