"""The options of the command line; see docs/cli.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from msa_core.cli import commands, large
from msa_core.cli.options import Joined, Once
from msa_core.evaluation.benchmark import PARTS

TABLE = "of a folder: CSV with the columns clip, score, split and perhaps speaker"
LABELS = "folder of your own clips with a labels.csv: columns file and label, labels from -3 to 3"
DTYPES = ("fp32", "fp16", "bf16")
README = "also put the tables into their blocks of this Markdown file; may be repeated"
Add = Callable[..., argparse.ArgumentParser]  # name, function and help of a command -> its parser


def parser() -> argparse.ArgumentParser:
    """Build the parser of every command; a parsed command has its function as `run`."""
    whole = argparse.ArgumentParser(prog="msa_core", description="Multimodal sentiment with missing modalities.")
    subparsers = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int | None], help_text: str) -> argparse.ArgumentParser:
        command = subparsers.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(run=run)
        for action in (None, "store"):
            command.register("action", action, Once)
        return command

    _add_clip_commands(add)
    _add_corpus_commands(add)
    _add_training_commands(add)
    _add_evaluation_commands(add)
    _add_scale(add)
    _add_other_commands(add)
    return whole


def _add_clip_commands(add: Add) -> None:
    """Add the commands that read clips."""
    p = add("analyse", commands.analyse, "score one clip, or every clip of a folder, without some of its modalities")
    p.add_argument("clip", help="a video or sound file, or a folder of them or of features that `extract` wrote")
    p.add_argument("--out", metavar="TABLE", help="of a folder: the table to write, .parquet, .csv or .jsonl")
    _add_many(p)
    p.add_argument(
        "--drop", action=Joined, default="", metavar="M,M", help="modalities to switch off: text,audio,vision"
    )
    p.add_argument("--text", default="transcript", metavar="SOURCE", help="transcript, simulated or none")
    frames = "share of frames dropped: text=0.5,audio=0.3"
    p.add_argument("--frames", action=Joined, default="", metavar="M=R,M=R", help=frames)
    p.add_argument("--transcript", metavar="TEXT", help="read these words in place of those that were heard")
    p.add_argument("--method", default="sdumc", help="a shipped method, a checkpoint's name or a checkpoint folder")
    p.add_argument("--spoken", choices=["en", "zh"], default="en", help="language of the clip; zh is translated to en")
    _add_any_language(p)
    p.add_argument("--blur", type=float, default=0.0, metavar="SHARE", help="blur the picture first, 0 to 0.1 of it")
    p.add_argument("--noise", type=float, metavar="DB", help="add noise to the sound first, -10 to 30 dB")
    p.add_argument("--json", metavar="OUT", help="write the JSON object to a file, or '-' for standard output only")
    p.add_argument("--csv", metavar="FILE", help="write every number and word, one a row")
    p.add_argument("--report", metavar="FILE", help="write a report on one page as an HTML file, all methods beside")
    p.add_argument("--no-pictures", action="store_true", help="keep faces out of the report")
    p.add_argument("--language", default="en", choices=["en", "zh"], help="of the report")
    p.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda when there is one")
    _add_large(p, "of a checkpoint of a large feature set, where its models now lie elsewhere: its JSON file")
    p.add_argument("--complete", metavar="NAME", help="the complete model: a checkpoint of the same features")
    p = add("compare", commands.compare, "every method on everything that can be missing from one clip, or from two")
    p.add_argument("clip", help="a video or sound file")
    p.add_argument("other", nargs="?", help="a second one")
    p.add_argument("--json", metavar="OUT", help="write the JSON object to a file, or '-' for standard output only")
    p.add_argument("--csv", metavar="OUT", help="write one table: clip, condition, method, flow, score, ..")
    p.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda when there is one")
    p = add("extract", commands.extract, "features of every clip in a folder, resumable")
    p.add_argument("folder")
    p.add_argument("--out", required=True, help="folder for one .npz per clip")
    p.add_argument("--table", help="the table to write, a row a clip: .parquet, .csv or .jsonl; default: OUT/clips.csv")
    _add_many(p)
    _add_any_language(p)
    p.add_argument("--device", choices=["cpu", "cuda"])
    _add_large(p, "JSON file of a large feature set (docs/large-features.md); default: the compact one")
    p.add_argument("--cache", metavar="DIR", help="keep what each large model makes of a clip, for other sets")


def _add_large(p: argparse.ArgumentParser, help_text: str) -> None:
    """Add the options of larger models."""
    p.add_argument("--whisper", default="tiny.en", metavar="SIZE", help="of what hears English words, such as base")
    p.add_argument("--features", metavar="FILE", help=help_text)
    p.add_argument("--dtype", choices=DTYPES, help="of large models; default: fp16 on a GPU, else fp32")


def _add_many(p: argparse.ArgumentParser) -> None:
    """Add the options of a run over a folder."""
    p.add_argument("--jobs", type=_positive, default=1, help="of a folder: processes, or actors of --ray")
    p.add_argument("--ray", action="store_true", help="of a folder: work on a Ray cluster; needs the extra `cluster`")
    p.add_argument("--ray-address", metavar="ADDRESS", help="of the cluster; default: Ray is started on this computer")
    p.add_argument("--again", action="store_true", help="of a folder: also those that could not be read last time")


def _add_any_language(p: argparse.ArgumentParser) -> None:
    """Add the option that uses words whatever language they sound like."""
    p.add_argument("--any-language", action="store_true", help="use the words even if they sound like another language")


def _add_corpus_commands(add: Add) -> None:
    """Add the commands that make and check corpora."""
    p = add("corpus", commands.corpus, "build a corpus from research data")
    p.add_argument("name", help="composite, ravdess, mosi, mosi-cv, mosei-922, mmmo-120, mosi-text or mosei-text")
    p.add_argument("--data", required=True, help="folder with the research data (docs/corpora.md)")
    p.add_argument("--out", required=True)
    p.add_argument("--jobs", type=_positive, default=1, help="processes that listen to sentences (composite)")
    p.add_argument("--seed", type=int, default=0, help="of what is drawn: pairs, folds")
    p = add("import", commands.import_features, "feature files (MMSA pickle, .npz, a folder of `extract`) to a corpus")
    p.add_argument("path")
    p.add_argument("--out", required=True)
    p.add_argument("--name", help="of the corpus; default: of the file")
    p.add_argument("--table", help=TABLE)
    p.add_argument("--bert", help="folder or name of the BERT that encodes token ids, where a file has no text vectors")
    p.add_argument("--repair", action="store_true", help="NaN and infinity become 0, counted in the manifest")
    _add_reading(p)
    p = add("check", commands.check, "say what a feature file is and everything that is wrong with it")
    p.add_argument("path")
    p.add_argument("--table", help=TABLE)
    _add_reading(p)


def _add_reading(p: argparse.ArgumentParser) -> None:
    """Add the options that say how a feature file is read."""
    rules = ["auto", "declared", "text", "zeros"]
    p.add_argument("--lengths", choices=rules, default="auto", help="how frames of MMSA files are told from padding")
    p.add_argument("--scale", choices=["mosi", "sims"], help="of labels in [-3, 3], or in [-1, 1]; default: by range")


def _add_training_commands(add: Add) -> None:
    """Add the commands that train."""
    p = add("fit", commands.fit, "train a network that the feature extractors use")
    p.add_argument("network", choices=["expression", "voice", "voice-acted", "text", "text-layers"])
    p.add_argument(
        "--data",
        required=True,
        help="folder with ferplus, or ravdess and urdu, or mosi and mosei, or these with meld and emobank",
    )
    p.add_argument(
        "--out",
        help="folder for the runs of text (default: runs-text), text-layers (checkpoints) or voice-acted (voice-acted)",
    )
    p.add_argument("--seeds", type=_positive, default=3, help="of text")
    p = add("train-projector", large.train_projector, "train the projector of SDUMC's text simulation (large features)")
    p.add_argument(
        "--features", required=True, metavar="FILE", help="JSON file of the feature set; names the projector"
    )
    p.add_argument("--clips", required=True, metavar="DIR", help="folder of clips of 30 s at most")
    p.add_argument("--table", required=True, metavar="CSV", help="columns clip, text and perhaps split (train, valid)")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="epochs, batch, lr, seed and others")
    p.add_argument("--device", choices=["cpu", "cuda"])
    p.add_argument("--dtype", choices=DTYPES, help="of the frozen models; default: bf16 on a GPU, else fp32")
    p.add_argument("--cache", metavar="DIR", help="keep the speech frames of every clip")
    p = add("train", commands.train, "train a method on a corpus; the best epoch and seed are chosen on validation")
    p.add_argument("method", help="baseline, sdumc, corrkd, promma, lnln, or one that MSA_METHODS brings")
    p.add_argument("--corpus", required=True)
    p.add_argument("--out", required=True, help="folder for runs")
    p.add_argument("--name", help="ship the best seed as checkpoints/NAME")
    p.add_argument("--label", help="run name: the rows of these runs in tables")
    p.add_argument("--teacher", help="a trained checkpoint, or the run name of runs in --out: the one of the same seed")
    p.add_argument("--seeds", type=_positive, default=1, help="how many seeds, from 0")
    p.add_argument("--preset", metavar="NAME", help="named settings of the method: published (sdumc, corrkd)")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the loop or the method")
    p.add_argument("--mixed-precision", choices=["no", "bf16"], help="of the forward passes; default: the launcher's")
    p.add_argument("--accumulate", type=_positive, metavar="N", help="compute every batch in N parts, for less memory")
    p.add_argument("--device", choices=["cpu", "cuda"], help="default: cpu; a GPU for each of several processes")
    p = add(
        "study", commands.study, "train every method's recipes on a corpus: baselines, specialists, methods, ablations"
    )
    p.add_argument("--corpus", required=True)
    p.add_argument("--out", required=True, help="folder for runs; what is there already is left alone")
    p.add_argument("--seeds", type=_positive, default=5, help="of a corpus with folds each has one run a fold")
    p.add_argument("--jobs", type=_positive, default=1, help="processes, one thread each")
    p.add_argument("--no-ablations", action="store_true")
    p.add_argument("--only", action="append", default=[], metavar="METHOD", help="may be repeated")
    p.add_argument("--scores", help="folder of kept scores; what is kept there is not trained again")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every recipe")
    p.add_argument("--updates", type=_positive, default=600, help="of the weights, at least; more epochs if need be")
    p.add_argument("--ship", action="store_true", help="ship the best seed of each shipped method (composite)")
    p = add(
        "rebuild", commands.rebuild, "every network, corpus, checkpoint and table from the research data, resumable"
    )
    p.add_argument("--data", required=True, help="folder with the research data (docs/corpora.md)")
    p.add_argument("--media", required=True, help="folder with real clips, as for evaluate-real")
    p.add_argument("--work", required=True, help="folder for corpora, runs, caches and the log")
    p.add_argument("--seeds", type=_positive, default=5)
    p.add_argument("--jobs", type=_positive, default=1, help="processes, one thread each")
    p.add_argument("--no-ablations", action="store_true")


def _add_evaluation_commands(add: Add) -> None:
    """Add the commands that measure."""
    p = add(
        "evaluate",
        commands.evaluate,
        "every trained run on the test set, under every protocol; writes JSON, Markdown, SVG",
    )
    p.add_argument("--corpus", required=True, help="folder of a corpus, or `text` for the runs of `fit text`")
    p.add_argument("--runs", help="folder of runs; without it only those kept in --scores count")
    p.add_argument("--out", required=True)
    p.add_argument("--jobs", type=_positive, help="processes; default: one for each core")
    p.add_argument("--scores", help="folder where the scores of every run are kept; runs kept earlier count too")
    p.add_argument("--classical", action="store_true", help="also ridge regression, SVR and extra trees, untuned")
    p.add_argument("--add", action="store_true", help="keep the rows of the file in OUT and add those it does not have")
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add(
        "evidence",
        commands.evidence,
        "do displayed weights follow what is known? deletion, permutation, rank correlation",
    )
    p.add_argument("--corpus", required=True)
    p.add_argument("--runs", help="without it --scores add the contributions with simulated text to the file in OUT")
    p.add_argument("--scores", help="folder of kept scores")
    p.add_argument("--label", action="append", required=True, help="run name of the runs to look at; may be repeated")
    p.add_argument("--out", required=True)
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add(
        "likeness", commands.likeness, "how like the real text SDUMC's text is before and after its imagination (MIA)"
    )
    p.add_argument("--corpus", required=True)
    p.add_argument("--method", default="sdumc", help="a shipped method, a checkpoint's name or a checkpoint folder")
    p.add_argument("--runs", help="folder of runs, for --label")
    p.add_argument("--label", action="append", default=[], help="run name whose best seed is measured too")
    p.add_argument("--out", required=True)
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add(
        "evaluate-real",
        commands.evaluate_real,
        "the shipped models on real sentences, voices and labelled clips; writes JSON and Markdown",
    )
    p.add_argument("--data", required=True, help="folder with meld, emobank, ravdess, nemo, cremad_votes, or some")
    p.add_argument("--media", help="folder with the clips of CREMA-D in cremad, and clips named grid_*")
    p.add_argument("--clips", action="append", default=[], metavar="FOLDER", help=LABELS + "; may be repeated")
    p.add_argument("--out", required=True)
    p.add_argument("--device", choices=["cpu", "cuda"])
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add("seeds", commands.seeds, "trainings of a shipped setting beside each other, and the choice of one to ship")
    p.add_argument("--runs", required=True, help="folder of a study on the corpus of the shipped checkpoints")
    p.add_argument("--label", action="append", required=True, help="run name, such as sdumc; may be repeated")
    p.add_argument("--data", required=True, help="folder with ravdess and cremad_votes")
    p.add_argument("--media", required=True, help="as of evaluate-real")
    p.add_argument("--out", required=True)
    p.add_argument("--ship", action="store_true", help="ship the chosen ones, with their teachers")
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add("clips", commands.clips, "a table of real clips: common sense, because composed pairs are not life")
    p.add_argument("folders", nargs="+")
    p.add_argument("--method", default="sdumc")
    p.add_argument("--device", choices=["cpu", "cuda"])
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add("speech-check", commands.speech_check, "speech reading beside openai-whisper's own, on generated sounds")
    p.add_argument("--seed", type=int, default=0, help="of the sounds")
    p.add_argument("--data", help="folder with ravdess, nemo and urdu: their emotional speech in place of the sounds")
    p.add_argument("--before", metavar="CHECKOUT", help="an older checkout: time its reading of the sounds and ours")
    p.add_argument("--kind", action="append", default=[], help="of the sounds, as in the table; may be repeated")
    p.add_argument("--pairs", type=_positive, default=3, help="readings of every sound by each of the two")
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add(
        "benchmark",
        commands.benchmark,
        "time and memory on this machine beside stated references: a clip, networks, training, cold starts, growth",
    )
    p.add_argument("--repeats", type=_positive, default=5, help="rounds of every row")
    p.add_argument("--only", action="append", choices=PARTS, help="measure this part; may be repeated")
    p.add_argument("--json", metavar="FILE", help="write the result; parts that are not measured are kept from it")
    p.add_argument("--svg", metavar="FILE", help="draw how cost grows with the length of a clip")
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)


def _add_scale(add: Add) -> None:
    """Add the command that measures and plans many clips."""
    p = add("scale", commands.scale, "rates of one and two workers over many clips, and a plan from them")
    p.add_argument("--clips", type=_positive, default=6, help="for each worker to extract")
    p.add_argument("--repeats", type=_positive, default=3, help="rounds of every row")
    p.add_argument("--json", metavar="FILE", help="write the rates")
    p.add_argument("--measured", metavar="FILE", help="plan from the rates of an earlier --json instead of measuring")
    p.add_argument("--plan", type=_positive, default=1_000_000, metavar="CLIPS", help="clips to plan for")
    p.add_argument("--cores", type=_positive, default=32, help="of a machine of the plan")
    p.add_argument("--price", type=float, help="of a machine-hour; default: the cost is a formula")
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)


def _add_other_commands(add: Add) -> None:
    """Add the commands of the lessons and the checkpoints."""
    p = add(
        "sheet", commands.sheet, "the teacher's sheet in every language: Markdown, and PDF where there is a Chromium"
    )
    p.add_argument("--out", help="folder; default: examples/teaching")
    p.add_argument("--device", choices=["cpu", "cuda"])
    p = add("checkpoints", commands.checkpoints, "verify and list the installed checkpoints")
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add("cards", commands.cards, "write a model card for the Hugging Face Hub beside every installed checkpoint")
    p.add_argument("--out", help="folder, in it one for each checkpoint; default: checkpoints")
    p = add("soak", commands.soak, "many visitors at once on the page of this computer, every answer checked")
    p.add_argument("--visitors", type=_positive, default=20)
    p.add_argument("--minutes", type=float, default=5.0)
    p.add_argument("--url", help="of a page on this computer; default: one is started")
    p.add_argument("--readme", action="append", default=[], metavar="FILE", help=README)
    p = add("check-space", commands.check_space, "check a checkout against the rules of a Hugging Face Space")
    p.add_argument("folder", nargs="?", default=".", help="default: here")


def _positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number
