"""The command line: `python -m msa_core COMMAND`. It parses, calls the library and prints.

Exit codes: 0 answered; 2 bad usage or bad input, one line on standard error; 1 our own bug.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msa_core.errors import MsaError

TABLE = "of a folder: CSV with the columns clip, score, split and perhaps speaker"
README = "also put the table into its block of this Markdown file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our bars and quotes still gets the numbers
    try:
        if getattr(args, "device", None) == "cuda":
            _needs_cuda()
        return int(args.run(args) or 0)
    except MsaError as e:
        print(f"msa_core {args.command}: {' '.join(str(e).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"msa_core {args.command}: interrupted", file=sys.stderr)
        return 130


def _analyse(args: argparse.Namespace) -> None:
    from msa_core import i18n, media
    from msa_core.config import MediaLimits
    from msa_core.degrade import Degradation
    from msa_core.methods.shipped import checkpoint_of, shipped_methods
    from msa_core.missing import switches
    from msa_core.predict import Analyser
    from msa_core.views import prediction_csv
    from msa_core.views.report import report_html

    dropped = [name.strip() for name in args.drop.split(",") if name.strip()]
    switches(dropped, args.text)  # refuse bad usage and bad files before any model is loaded
    rates, damage = _rates(args.frames), Degradation(args.blur, args.noise)
    media.probe(args.clip, MediaLimits.command_line())
    checkpoint = checkpoint_of(args.method)
    side_by_side = args.report is not None and checkpoint != args.method and checkpoint in shipped_methods()
    analyser = Analyser.load(args.device, None if side_by_side else args.method)
    utterance = analyser.extract(args.clip, MediaLimits.command_line(), damage=damage, spoken=args.spoken)
    utterance = analyser.edit(utterance, args.transcript)
    predictions = {m: analyser.predict(utterance, m, dropped, args.text, rates) for m in analyser.methods}
    prediction = predictions[args.method]
    if args.csv is not None:
        _write(Path(args.csv), prediction_csv.as_csv(prediction), "--csv")
    if args.report is not None:
        with i18n.use(args.language):
            text = report_html(utterance, predictions, args.method, with_pictures=not args.no_pictures)
        _write(Path(args.report), text, "--report")
    if args.json == "-":
        print(prediction.json_text(), end="")
        return
    if args.json is not None:
        _write(Path(args.json), prediction.json_text(), "--json")
    from msa_core.views.prediction_text import summary

    print(summary(prediction))


def _compare(args: argparse.Namespace) -> None:
    from msa_core import compare, media
    from msa_core.config import MediaLimits
    from msa_core.predict import Analyser
    from msa_core.views import comparison_text

    clips = [args.clip, *([args.other] if args.other else [])]
    for clip in clips:
        media.probe(clip, MediaLimits.command_line())
    analyser = Analyser.load(args.device)
    utterances = [analyser.extract(clip, MediaLimits.command_line()) for clip in clips]
    found = [(compare.compare(analyser, u), compare.robustness(analyser, u)) for u in utterances]
    if args.csv is not None:
        _write(Path(args.csv), comparison_text.as_csv(*(part for pair in found for part in pair)), "--csv")
    as_json = '{"clips": [' + ",\n".join(comparison_text.as_json(*pair) for pair in found) + "]}"
    if args.json == "-":
        print(as_json)
        return
    if args.json is not None:
        _write(Path(args.json), as_json + "\n")
    print("\n\n".join(comparison_text.summary(comparison) for comparison, _ in found))


def _rates(text: str) -> dict[str, float]:
    """The rates of `--frames text=0.5,audio=0.3`. Raises: MsaError."""
    from msa_core.missing import frame_rates

    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    try:
        return frame_rates({name.strip(): float(rate) for name, _, rate in pairs})
    except ValueError as e:
        raise MsaError(f"--frames is {text!r}; give shares from 0 to 0.9, such as text=0.5,audio=0.3.") from e


def _extract(args: argparse.Namespace) -> None:
    from msa_core.config import MediaLimits
    from msa_core.extract import folder

    done, failed = folder(Path(args.folder), Path(args.out), MediaLimits.command_line(), args.device)
    print(f"{done} clips extracted to {args.out}, {len(failed)} could not be read.")
    for name, why in failed.items():
        print(f"  {name}: {why}")


def _corpus(args: argparse.Namespace) -> None:
    from msa_core.corpora import build
    from msa_core.corpora.corpus import needs_place

    needs_place(Path(args.out))  # before minutes of work
    corpus = build(args.name, Path(args.data), Path(args.out), args.seed)
    print(f"{corpus.name}: {len(corpus.ids)} utterances in {args.out}")


def _import(args: argparse.Namespace) -> None:
    from msa_core.corpora import importers

    corpus = importers.read(Path(args.path), args.name, args.table and Path(args.table), args.bert, args.repair)
    corpus.save(Path(args.out))
    print(f"{corpus.name}: {len(corpus.ids)} utterances in {args.out}")


def _check(args: argparse.Namespace) -> int:
    from msa_core.corpora import importers

    what, problems = importers.report(Path(args.path), args.table and Path(args.table))
    print("\n".join(filter(None, [what, *problems])))
    return 2 if any(p.startswith("error") for p in problems) else 0


def _fit(args: argparse.Namespace) -> None:
    from msa_core.evaluation import text_benchmark
    from msa_core.feature_training import expression, voice

    if args.network == "text":
        text_benchmark.study(Path(args.data), _folder(args.out), args.seeds)
        return
    fit = expression.fit if args.network == "expression" else voice.fit
    metrics = fit(Path(args.data))
    print(json.dumps(metrics, indent=2))


def _train(args: argparse.Namespace) -> None:
    from msa_core.training import command as runs

    for line in runs.command(
        args.method, Path(args.corpus), args.set, args.seeds, Path(args.out), args.name, args.label, args.teacher
    ):
        print(line)


def _study(args: argparse.Namespace) -> None:
    from msa_core.evaluation import study

    for line in study.command(
        Path(args.corpus), _folder(args.out), args.seeds, args.jobs, not args.no_ablations, args.only, _scores(args)
    ):
        print(line, flush=True)


def _evaluate(args: argparse.Namespace) -> None:
    from msa_core.evaluation import evaluate, markdown, readme, text_benchmark

    if args.corpus == "text" and (args.scores is not None or args.runs is None):
        raise MsaError(
            "Runs of `fit text` are evaluated from --runs, and no scores of them are kept. Leave --scores out."
        )
    if args.corpus == "text":
        found = text_benchmark.command(Path(args.runs), _folder(args.out))
        _table(args, "text", "\n\n".join(text_benchmark.markdown(r) for r in found))
        return
    result = evaluate.command(
        Path(args.corpus), args.runs and Path(args.runs), _folder(args.out), args.jobs, _scores(args)
    )
    _table(args, result["corpus"], markdown.headline(result))
    for part, text in markdown.parts(result).items():
        if args.readme and readme.has_block(Path(args.readme), f"{result['corpus']}-{part}"):
            readme.insert(Path(args.readme), f"{result['corpus']}-{part}", text)


def _scores(args: argparse.Namespace) -> Path | None:
    """The folder of kept scores that was given."""
    return None if args.scores is None else Path(args.scores)


def _evidence(args: argparse.Namespace) -> None:
    from msa_core.evaluation import faithfulness

    result = faithfulness.command(Path(args.corpus), Path(args.runs), args.label, _folder(args.out))
    _table(args, f"{result['corpus']}-{faithfulness.NAME}", faithfulness.markdown(result))


def _clips(args: argparse.Namespace) -> None:
    from msa_core.evaluation.sample_clips import table

    _table(args, f"clips-{args.method}", table([Path(f) for f in args.folders], args.method, args.device))


def _bench(args: argparse.Namespace) -> None:
    from msa_core.evaluation.benchmark import table

    _table(args, "bench", table(Path(args.clip), args.repeats))


def _checkpoints(args: argparse.Namespace) -> None:
    from msa_core.checkpoint import table

    _table(args, "checkpoints", table())


def _sheet(args: argparse.Namespace) -> None:
    from msa_core.lessons.handout import sheet

    for line in sheet.command(_folder(args.out) if args.out else sheet.FOLDER, args.device):
        print(line)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _needs_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise MsaError("--device is 'cuda', but there is no usable GPU here. Leave --device out, or give cpu.")


def _folder(path: str) -> Path:
    """A folder to write to, made before any work is done. Raises: MsaError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise MsaError(f"Cannot make the folder {path!r} ({e.strerror}). Give another --out.") from e
    return Path(path)


def _table(args: argparse.Namespace, block: str, text: str) -> None:
    """Print a table; with --readme also put it into that file."""
    if args.readme:
        from msa_core.evaluation.readme import insert

        insert(Path(args.readme), block, text)
    print(text)


def _write(path: Path, text: str, option: str = "--json") -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as e:
        why = f"Cannot write {str(path)!r} ({e.strerror})."
        raise MsaError(f"{why} Give {option} a file in a folder that exists.") from e


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="msa_core", description="Multimodal sentiment with missing modalities.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: object, help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(run=run)
        return command

    p = add("analyse", _analyse, "score one clip, with and without some of its modalities")
    p.add_argument("clip", help="a video or sound file")
    p.add_argument("--drop", default="", metavar="M,M", help="modalities to switch off: text,audio,vision")
    p.add_argument("--text", default="transcript", metavar="SOURCE", help="transcript, simulated or none")
    p.add_argument("--frames", default="", metavar="M=R,M=R", help="share of frames dropped: text=0.5,audio=0.3")
    p.add_argument("--transcript", metavar="TEXT", help="read these words in place of those that were heard")
    p.add_argument("--method", default="sdumc", help="a shipped method, a checkpoint's name or a checkpoint folder")
    p.add_argument("--spoken", choices=["en", "zh"], default="en", help="language of the clip; zh is translated to en")
    p.add_argument("--blur", type=float, default=0.0, metavar="SHARE", help="blur the picture first, 0 to 0.1 of it")
    p.add_argument("--noise", type=float, metavar="DB", help="add noise to the sound first, -10 to 30 dB")
    p.add_argument("--json", metavar="OUT", help="write the JSON object to a file, or '-' for standard output only")
    p.add_argument("--csv", metavar="FILE", help="write every number and word, one a row")
    p.add_argument("--report", metavar="FILE", help="write a report on one page as an HTML file, all methods beside")
    p.add_argument("--no-pictures", action="store_true", help="keep faces out of the report")
    p.add_argument("--language", default="en", choices=["en", "zh"], help="of the report")
    p.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda when there is one")
    p = add("compare", _compare, "every method on everything that can be missing from one clip, or from two")
    p.add_argument("clip", help="a video or sound file")
    p.add_argument("other", nargs="?", help="a second one")
    p.add_argument("--json", metavar="OUT", help="write the JSON object to a file, or '-' for standard output only")
    p.add_argument("--csv", metavar="OUT", help="write one table: clip, condition, method, flow, score, ..")
    p.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda when there is one")
    p = add("extract", _extract, "features of every clip in a folder, resumable")
    p.add_argument("folder")
    p.add_argument("--out", required=True, help="folder for one .npz per clip")
    p.add_argument("--device", choices=["cpu", "cuda"])
    p = add("corpus", _corpus, "build a corpus from research data")
    p.add_argument("name", help="composite, ravdess, mosi, mosi-cv, mosei-922, mmmo-120, mosi-text or mosei-text")
    p.add_argument("--data", required=True, help="folder with ch-sims, ferplus, mmmo, mosei, mosi, ravdess, urdu")
    p.add_argument("--out", required=True)
    p.add_argument("--seed", type=int, default=0, help="of what is drawn: pairs, folds")
    p = add("import", _import, "feature files (MMSA pickle, .npz, a folder of `extract`) to a corpus")
    p.add_argument("path")
    p.add_argument("--out", required=True)
    p.add_argument("--name", help="of the corpus; default: of the file")
    p.add_argument("--table", help=TABLE)
    p.add_argument("--bert", help="folder or name of the BERT that encodes token ids, where a file has no text vectors")
    p.add_argument("--repair", action="store_true", help="NaN and infinity become 0, counted in the manifest")
    p = add("check", _check, "say what a feature file is and everything that is wrong with it")
    p.add_argument("path")
    p.add_argument("--table", help=TABLE)
    p = add("fit", _fit, "train a network that the feature extractors use")
    p.add_argument("network", choices=["expression", "voice", "text"])
    p.add_argument("--data", required=True, help="folder with ferplus, or ravdess and urdu, or mosi and mosei")
    p.add_argument("--out", default="runs-text", help="folder for the runs of text")
    p.add_argument("--seeds", type=_positive, default=3, help="of text")
    p = add("train", _train, "train a method on a corpus; the best epoch and seed are chosen on validation")
    p.add_argument("method", help="a key of msa_core.methods.METHODS: baseline, sdumc, corrkd, promma")
    p.add_argument("--corpus", required=True)
    p.add_argument("--out", required=True, help="folder for runs")
    p.add_argument("--name", help="ship the best seed as checkpoints/NAME")
    p.add_argument("--label", help="what the runs are called in tables")
    p.add_argument("--teacher", help="a trained checkpoint, or the label of runs in --out: the one of the same seed")
    p.add_argument("--seeds", type=_positive, default=1, help="how many seeds, from 0")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the loop or the method")
    p = add("study", _study, "train every method's recipes on a corpus: baselines, specialists, methods, ablations")
    p.add_argument("--corpus", required=True)
    p.add_argument("--out", required=True, help="folder for runs; what is there already is left alone")
    p.add_argument("--seeds", type=_positive, default=5, help="of a corpus with folds each has one run a fold")
    p.add_argument("--jobs", type=_positive, default=1, help="processes, one thread each")
    p.add_argument("--no-ablations", action="store_true")
    p.add_argument("--only", action="append", default=[], metavar="METHOD", help="may be repeated")
    p.add_argument("--scores", help="folder of kept scores; what is kept there is not trained again")
    p = add(
        "evaluate", _evaluate, "every trained run on the test set, under every protocol; writes JSON, Markdown, SVG"
    )
    p.add_argument("--corpus", required=True, help="folder of a corpus, or `text` for the runs of `fit text`")
    p.add_argument("--runs", help="folder of runs; without it only those kept in --scores count")
    p.add_argument("--out", required=True)
    p.add_argument("--jobs", type=_positive, help="processes; default: one for each core")
    p.add_argument("--scores", help="folder where the scores of every run are kept; runs kept earlier count too")
    p.add_argument("--readme", help=README)
    p = add("evidence", _evidence, "do displayed weights follow what is known? deletion, permutation, rank correlation")
    p.add_argument("--corpus", required=True)
    p.add_argument("--runs", required=True)
    p.add_argument("--label", action="append", required=True, help="of the runs to look at; may be repeated")
    p.add_argument("--out", required=True)
    p.add_argument("--readme", help=README)
    p = add("clips", _clips, "a table of real clips: common sense, because composed pairs are not life")
    p.add_argument("folders", nargs="+")
    p.add_argument("--method", default="sdumc")
    p.add_argument("--device", choices=["cpu", "cuda"])
    p.add_argument("--readme", help=README)
    p = add("bench", _bench, "time and memory on this machine")
    p.add_argument("--clip", default=str(Path(__file__).resolve().parent.parent / "examples" / "latentsync_demo1.mp4"))
    p.add_argument("--repeats", type=_positive, default=5)
    p.add_argument("--readme", help=README)
    p = add("sheet", _sheet, "the teacher's sheet in every language: Markdown, and PDF where there is a Chromium")
    p.add_argument("--out", help="folder; default: examples/teaching")
    p.add_argument("--device", choices=["cpu", "cuda"])
    p = add("checkpoints", _checkpoints, "verify and list the installed checkpoints")
    p.add_argument("--readme", help=README)
    return parser


if __name__ == "__main__":
    sys.exit(main())
