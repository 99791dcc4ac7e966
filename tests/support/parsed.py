"""HTML read back in tests: tags, attributes, texts and tables, instead of searches in its source."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = ("img", "br", "input", "hr", "meta", "link")  # tags without an end


class Parsed(HTMLParser):
    """The tags of a piece of HTML with their attributes, its texts by the innermost tag, and the rows of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.rows: list[list[str]] = []  # texts of the cells of every table row, heads included
        self.named: list[tuple[str, list[str]]] = []  # classes of a tag, and the pieces of text in it
        self._open: list[str] = []
        self._within: list[list[str]] = []  # pieces of text of every open tag
        self.feed(html)
        self.close()
        assert self._open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self._open.append(tag)
            self._within.append([])
            self.named.append((dict(attrs).get("class") or "", self._within[-1]))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._within.pop()

    def handle_data(self, data: str) -> None:
        for pieces in self._within:
            pieces.append(data)
        if data.strip():
            self.texts.setdefault(self._open[-1] if self._open else "", []).append(data.strip())
        if "th" in self._open or "td" in self._open:
            self.rows[-1][-1] += data

    def of(self, css: str) -> list[dict[str, str]]:
        """The attributes of the tags of a class."""
        return [a for _, a in self.tags if css in a.get("class", "").split()]

    def text(self, css: str) -> list[str]:
        """The text in every tag of a class, its inner tags included."""
        return ["".join(pieces).strip() for named, pieces in self.named if css in named.split()]

    def role(self, role: str) -> list[dict[str, str]]:
        """The attributes of the tags of an ARIA role."""
        return [a for _, a in self.tags if a.get("role") == role]
