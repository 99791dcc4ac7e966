"""Measure the shipped models on real sentences, voices and clips, against what people said of them.

One line, in this order:

    texts, voices, clips   read the research data and labelled clips, whatever is there
    scoring                score them by every shipped model; `baselines` score them without one
    measures               errors, orders and intervals of these scores
    command                all of this as `real.json`, one table a set
    tables                 `real.json` as tables and sentences, and as Markdown

    seeds                  trainings of one setting on some of these sets, and the choice of the one to ship

Nothing here trains a network: the sets are held out from the shipped checkpoints, or of corpora that they never saw.
`seeds` lets three of them choose among trainings, which the tables of these sets say.
"""
