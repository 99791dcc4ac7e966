"""Measure trained models: from a study's recipes to the tables and curves that people read.

One line, in this order:

    study        train every method's recipes on a corpus, several seeds
    runs         read the trained runs; decide what each of them is asked
    scoring      score the test set under every condition of `protocols`, in one pass
    score_store  keep the scores of a run, so that they count after the run is gone
    groups       put the runs of one run name together
    compared     measure every group, also against its references (`metrics`, `bootstrap`, `subsets`)
    evaluate     all of this; writes the evaluation file
    results      read evaluation files as tables (`result_columns`)
    markdown, curve_svg (`line_chart`)   write them as Markdown and as a picture
    readme       insert tables into a page of Markdown

Beside it: `faithfulness` (do displayed weights follow what is known?), `text_benchmark` (text alone), `sample_clips`
(real clips), `real` (real people, against what they said) and `benchmark/` (time and memory beside stated references).
"""
