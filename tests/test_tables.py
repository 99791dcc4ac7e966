"""Markdown tables."""

from msa_core.tables import markdown_table


def test_a_table_has_a_line_a_row():
    expected = "| name | MAE |\n|---|---|\n| a | 1 |\n| b | 2 |"
    assert markdown_table(["name", "MAE"], [["a", "1"], ["b", "2"]]) == expected


def test_a_table_may_have_no_rows_and_another_rule():
    assert markdown_table(["name"], [], " --- ") == "| name |\n| --- |"


def test_empty_cells_are_one_space_or_two():
    assert markdown_table([None, "x"], [["", None]]) == "| | x |\n|---|---|\n|  | |"


def test_a_bar_in_a_cell_does_not_end_it():
    assert markdown_table(["a|b"], [["c|d"]]) == "| a/b |\n|---|\n| c/d |"
