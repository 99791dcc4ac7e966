"""Tables that are written and that people give."""

import pytest

from msa_core.errors import MsaError
from msa_core.tables import markdown_table, read_csv


def test_a_table_has_a_line_a_row():
    expected = "| name | MAE |\n|---|---|\n| a | 1 |\n| b | 2 |"
    assert markdown_table(["name", "MAE"], [["a", "1"], ["b", "2"]]) == expected


def test_a_table_may_have_no_rows_and_another_rule():
    assert markdown_table(["name"], [], " --- ") == "| name |\n| --- |"


def test_empty_cells_are_one_space_or_two():
    assert markdown_table([None, "x"], [["", None]]) == "| | x |\n|---|---|\n|  | |"


def test_a_bar_in_a_cell_does_not_end_it():
    assert markdown_table(["a|b"], [["c|d"]]) == "| a/b |\n|---|\n| c/d |"


def test_a_table_is_read_with_its_line_numbers(tmp_path):
    table = tmp_path / "t.csv"
    table.write_bytes("\ufeffclip, more ,,score\r\n a.mp4 ,x,,1\r\nb.mp4\r\nc,1,2,3\r\n".encode())
    assert read_csv(table, ["clip", "score"]) == [
        (2, {"clip": "a.mp4", " more ": "x", "score": "1"}),
        (3, {"clip": "b.mp4", " more ": "", "score": ""}),
        (4, {"clip": "c", " more ": "1", "score": "3"}),
    ]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text('clip,text\n\na,"one\ntwo\nthree"\n\n,\nb,four\n')
    assert read_csv(table, ["clip", "text"]) == [
        (3, {"clip": "a", "text": "one\ntwo\nthree"}),
        (8, {"clip": "b", "text": "four"}),
    ]


@pytest.mark.parametrize("head", ["clip,score", "clip,score,,"])
def test_empty_cells_at_the_end_of_a_line_are_fine(tmp_path, head):
    table = tmp_path / "t.csv"
    table.write_text(f"{head}\na,1,\nb,-0.5,, ,\n,,,\n")
    assert read_csv(table, ["clip", "score"]) == [
        (2, {"clip": "a", "score": "1"}),
        (3, {"clip": "b", "score": "-0.5"}),
    ]


@pytest.mark.parametrize("head", ["clip,score", "clip,score,"])
def test_a_comma_that_splits_a_cell_is_refused(tmp_path, head):
    table = tmp_path / "t.csv"
    table.write_text(f'{head}\na,"0,5"\n\nb,0,5\n')
    with pytest.raises(MsaError) as error:
        read_csv(table, ["clip", "score"])
    assert error.value.message == (
        "t.csv, line 4: 3 cells for 2 columns: 'b', '0', '5'. Put a cell that has a comma in it in quotes, "
        '"like, this", and write numbers with a point, 0.5.'
    )


@pytest.mark.parametrize(
    "lines",
    ['a,"1\nb,2\n', 'a,"1\nb,"2"\n', 'a,"1" or 2\nb,2\n', 'a,"he said "no""\nb,2\n'],
    ids=["never closed", "closed in the next line", "text behind", "quotes inside"],
)
def test_quotes_that_would_swallow_lines_are_refused(tmp_path, lines):
    table = tmp_path / "t.csv"
    table.write_text(f"clip,text\nz,0\n{lines}")
    with pytest.raises(MsaError) as error:
        read_csv(table, ["clip", "text"])
    assert error.value.message.startswith("t.csv, line 3: the cells cannot be told apart (")
    assert error.value.message.endswith('double the quotes in it: "he said ""no"", twice".')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "t.csv has no column 'clip' but no rows. Give the columns clip, score."),
        (b"clip;score\na;1\n", "t.csv has no column 'clip' but 'clip;score'. Give the columns clip, score."),
        (b"clip,score,score\na,1,2\n", "t.csv has the column 'score' more than once. Keep one of them."),
        (b"clip,score,more,more\n", "t.csv has the column 'more' more than once. Keep one of them."),
        (b"clip,score\n\xff,1\n", "Cannot read the table t.csv ("),
        (None, "Cannot read the table t.csv ("),
    ],
)
def test_a_table_that_does_not_fit_is_named(tmp_path, content, said):
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(MsaError) as error:
        read_csv(tmp_path / "t.csv", ["clip", "score"])
    assert str(error.value).startswith(said)
