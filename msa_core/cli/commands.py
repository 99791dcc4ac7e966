"""The commands: each takes the parsed options, calls the library and prints.

Imports stand inside the functions, so that `--help` and a wrong option answer without loading torch.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

from msa_core.cli import options, output
from msa_core.errors import MsaError


def analyse(args: Namespace) -> int:
    """Score one clip with and without some of its modalities, or every clip of a folder.

    Returns: exit code 2 when there are clips and none could be read.
    """
    from msa_core import i18n, media

    if args.clip and Path(args.clip).is_dir():
        from msa_core.cli.many import command

        return command.analyse(args, _rates(args.frames))
    none = f"a folder, and {args.clip!r} is none. Leave it out; --json and --csv write the scores of one clip."
    options.refuse(args, options.OF_A_FOLDER, none)
    if args.report is None:
        options.refuse(args, options.OF_A_REPORT, "a report, and --report is not there. Give both, or neither.")

    media.warm()  # while torch is imported
    from msa_core.config import MediaLimits
    from msa_core.degrade import Degradation
    from msa_core.methods.shipped import checkpoint_of, shipped_methods
    from msa_core.missing import switches
    from msa_core.predict import Analyser
    from msa_core.views import prediction_csv, report
    from msa_core.views.prediction_text import summary

    # Refuse bad usage and bad files before any model is loaded.
    dropped = [name.strip() for name in args.drop.split(",") if name.strip()]
    switches(dropped, args.text)
    rates, degradation = _rates(args.frames), Degradation(args.blur, args.noise)
    media.probe(args.clip, MediaLimits.command_line())

    # Load one method, or all of them when a report shows them side by side.
    checkpoint = checkpoint_of(args.method)
    side_by_side = args.report is not None and checkpoint != args.method and checkpoint in shipped_methods()
    one = None if side_by_side else args.method
    analyser = Analyser.load(args.device, one, args.features, args.complete, args.dtype, args.whisper)
    how = {"degradation": degradation, "spoken": args.spoken, "any_language": args.any_language}
    utterance = analyser.extract(args.clip, MediaLimits.command_line(), **how)
    utterance = analyser.edit(utterance, args.transcript)
    predictions = {m: analyser.predict(utterance, m, dropped, args.text, rates) for m in analyser.methods}
    prediction = predictions[args.method]

    # Write what was asked for; `--json -` prints the object and nothing else.
    if args.csv is not None:
        output.write(Path(args.csv), prediction_csv.as_csv(prediction), "--csv")
    if args.report is not None:
        with i18n.use(args.language):
            text = report.report_html(utterance, predictions, args.method, with_pictures=not args.no_pictures)
        output.write(Path(args.report), text, "--report")
    if args.json == "-":
        print(prediction.json_text(), end="")
        return 0
    if args.json is not None:
        output.write(Path(args.json), prediction.json_text(), "--json")
    print(summary(prediction))
    return 0


def compare(args: Namespace) -> None:
    """Score one clip, or two, with every method under everything that can be missing."""
    from msa_core import media

    media.warm()  # while torch is imported
    from msa_core.compare import compare, robustness
    from msa_core.config import MediaLimits
    from msa_core.predict import Analyser
    from msa_core.views import comparison_text

    clips = [args.clip, *([args.other] if args.other else [])]
    for clip in clips:
        media.probe(clip, MediaLimits.command_line())
    analyser = Analyser.load(args.device)
    utterances = [analyser.extract(clip, MediaLimits.command_line()) for clip in clips]
    found = [(compare(analyser, u), robustness(analyser, u)) for u in utterances]
    if args.csv is not None:
        output.write(Path(args.csv), comparison_text.as_csv(*(part for pair in found for part in pair)), "--csv")
    as_json = '{"clips": [' + ",\n".join(comparison_text.as_json(*pair) for pair in found) + "]}"
    if args.json == "-":
        print(as_json)
        return
    if args.json is not None:
        output.write(Path(args.json), as_json + "\n")
    print("\n\n".join(comparison_text.summary(comparison) for comparison, _ in found))


def extract(args: Namespace) -> int:
    """Extract the features of every clip in a folder. Returns: exit code 2 when none could be read."""
    from msa_core.cli.many import command

    return command.extract(args)


def corpus(args: Namespace) -> None:
    """Build a corpus from research data."""
    from msa_core.corpora import build
    from msa_core.corpora.corpus import needs_place

    needs_place(Path(args.out))  # before minutes of work
    built = build(args.name, Path(args.data), Path(args.out), args.seed, args.jobs)
    print(f"{built.name}: {len(built.ids)} utterances in {args.out}")


def import_features(args: Namespace) -> None:
    """Import a feature file as a corpus; print the warnings and notes that `check` prints."""
    from msa_core.corpora import importers

    table = args.table and Path(args.table)
    imported = importers.read(Path(args.path), args.name, table, args.bert, args.repair, args.lengths, args.scale)
    imported.save(Path(args.out))
    print(f"{imported.name}: {len(imported.ids)} utterances in {args.out}")
    for level in ("warning", "note"):
        print("".join(f"{level}: {sentence}\n" for sentence in imported.manifest[f"{level}s"]), end="")


def check(args: Namespace) -> int:
    """Report the contents and the faults of a feature file. Returns: exit code 2 when one of them is an error."""
    from msa_core.corpora import importers

    what, problems = importers.report(Path(args.path), args.table and Path(args.table), args.lengths, args.scale)
    print("\n".join(filter(None, [what, *problems])))
    return 2 if any(p.startswith("error") for p in problems) else 0


def fit(args: Namespace) -> None:
    """Train a network that the feature extractors use."""
    from msa_core import checkpoint
    from msa_core.corpora.synthetic_voices import synthetic_clips
    from msa_core.evaluation import text_benchmark, text_layers
    from msa_core.feature_training import expression, voice, voice_clips
    from msa_core.features.voice import CHECKPOINT

    if args.network == "text":
        text_benchmark.study(Path(args.data), output.folder(args.out or str(text_benchmark.RUNS)), args.seeds)
        return
    if args.network == "text-layers":
        text_layers.fit(Path(args.data), output.folder(args.out or str(checkpoint.ROOT)))
        return
    data, cache = Path(args.data), Path("corpora") / "voices.cache"
    if args.network == "expression":
        metrics = expression.fit(data)
    elif args.network == "voice":
        metrics = voice.fit(voice_clips.clips(data), checkpoint.ROOT / CHECKPOINT, cache=cache)
    else:  # voice-acted
        found = [*voice_clips.clips(data, tuple(voice_clips.PLACES)), *synthetic_clips(data, cache / "synthetic")]
        settings = voice.VoiceTraining(n_versions=1)  # there are more clips: one augmented recording of each is enough
        out = output.folder(args.out or "voice-acted")
        metrics = voice.fit(found, out, cache=cache, settings=settings, stage=True)
    print(json.dumps(metrics, indent=2))


def train(args: Namespace) -> None:
    """Train a method on a corpus, in one process or in those that Accelerate or torchrun started."""
    from msa_core.training.command import command
    from msa_core.training.processes import Processes, precision

    settings = list(args.set)
    if (chosen := precision(args.mixed_precision)) is not None:
        settings.append(f"mixed_precision={chosen}")
    if args.accumulate is not None:
        settings.append(f"accumulate={args.accumulate}")
    team = Processes.start(args.device)
    for line in command(
        args.method, Path(args.corpus), settings, args.seeds, Path(args.out), args.name, args.label, args.teacher,
        args.preset, team,
    ):  # fmt: skip
        print(line)
    team.close()


def study(args: Namespace) -> None:
    """Train every method's recipes on a corpus."""
    from msa_core.evaluation.study import command
    from msa_core.training.command import ship_study

    out, ablations, scores = output.folder(args.out), not args.no_ablations, args.scores and Path(args.scores)
    how = (ablations, args.only, scores, args.set, args.updates)
    for line in command(Path(args.corpus), out, args.seeds, args.jobs, *how):
        print(line, flush=True)
    for line in ship_study(Path(args.out)) if args.ship else ():
        print(line)


def rebuild(args: Namespace) -> None:
    """Rebuild every network, corpus, checkpoint and table."""
    from msa_core.cli.rebuild import command

    work = output.folder(args.work, "--work")
    for line in command(Path(args.data), Path(args.media), work, args.seeds, args.jobs, not args.no_ablations):
        print(line, flush=True)


def evaluate(args: Namespace) -> None:
    """Evaluate every trained run; write JSON, Markdown and SVG, print the headline table."""
    from msa_core.evaluation import emotions, markdown, readme
    from msa_core.evaluation.evaluate import command

    if args.corpus == "text":
        _evaluate_text(args)
        return
    runs, scores = args.runs and Path(args.runs), args.scores and Path(args.scores)
    result = command(Path(args.corpus), runs, output.folder(args.out), args.jobs, scores, args.classical, args.add)
    if "emotions" in result:
        output.table(args, f"{result['corpus']}-{emotions.NAME}", emotions.tables(result))
        return
    name, headline = result["corpus"], markdown.headline(result)
    blocks = {name: headline} | {f"{name}-{part}": text for part, text in markdown.parts(result).items()}
    for file in map(Path, args.readme):
        held = [block for block in blocks if readme.has_block(file, block)]
        for block in held or [name]:  # a file without any of the blocks is refused
            readme.insert(file, block, blocks[block])
    print(headline)


def _evaluate_text(args: Namespace) -> None:
    """Evaluate the runs of `fit text`. Raises: MsaError when kept scores are asked for."""
    from msa_core.evaluation import text_benchmark

    if args.scores is not None or args.runs is None or args.classical or args.add:
        raise MsaError("Runs of `fit text` are evaluated from --runs alone. Leave --scores, --classical and --add out.")
    found = text_benchmark.command(Path(args.runs), output.folder(args.out))
    output.table(args, "text", "\n\n".join(text_benchmark.markdown(r) for r in found))


def evidence(args: Namespace) -> None:
    """Compare displayed weights with what is known of the clips and of the model."""
    from msa_core.evaluation import faithfulness

    runs, scores = args.runs and Path(args.runs), args.scores and Path(args.scores)
    result = faithfulness.command(Path(args.corpus), runs, args.label, output.folder(args.out), scores)
    output.table(args, f"{result['corpus']}-{faithfulness.NAME}", faithfulness.markdown(result))


def likeness(args: Namespace) -> None:
    """Measure how like the real text the imagined text is before and after MIA."""
    from msa_core.evaluation import likeness

    result = likeness.command(Path(args.corpus), args.method, output.folder(args.out), args.runs, args.label)
    output.table(args, f"{result['corpus']}-{likeness.NAME}", likeness.markdown(result))


def evaluate_real(args: Namespace) -> None:
    """Measure the shipped models on real sentences, voices and labelled clips."""
    from msa_core.evaluation.real import tables
    from msa_core.evaluation.real.command import NAME, command

    output.needs_blocks(args, NAME)
    folders, media = [Path(folder) for folder in args.clips], args.media and Path(args.media)
    result = command(Path(args.data), media, folders, output.folder(args.out), args.device)
    output.table(args, NAME, tables.markdown(result))


def seeds(args: Namespace) -> None:
    """Choose among the trainings of a setting by validation and real people."""
    from msa_core.evaluation.real import seeds

    output.needs_blocks(args, seeds.NAME)
    labels, data, media = args.label, Path(args.data), Path(args.media)
    result = seeds.command(Path(args.runs), labels, data, media, output.folder(args.out), args.ship)
    output.table(args, seeds.NAME, seeds.markdown(result))


def clips(args: Namespace) -> None:
    """Print a table of the scores of real clips."""
    from msa_core.evaluation import sample_clips

    output.needs_blocks(args, block := f"clips-{args.method}")
    text = sample_clips.table([Path(f) for f in args.folders], args.method, args.device)
    output.table(args, block, text)


def benchmark(args: Namespace) -> None:
    """Measure this machine, part by part, and write what was found."""
    from msa_core.evaluation.benchmark import PARTS, command
    from msa_core.views.answer import answer

    json_file, svg_file = (None if f is None else Path(f) for f in (args.json, args.svg))
    parts, earlier = args.only or PARTS, command.earlier(json_file)
    written = [part for part in PARTS if part in parts or part in earlier]
    if svg_file is not None and "growth" not in written:
        raise MsaError("--svg draws the part growth, which is not measured. Add --only growth, or leave --svg out.")
    output.needs_blocks(args, *(f"benchmark-{part}" for part in written))
    found = command.run(
        parts,
        args.repeats,
        earlier,
        answer,
        lambda part: print(f"measuring: {part}", file=sys.stderr),
    )
    command.save(found, json_file, svg_file)
    for part, table in command.tables(found).items():
        output.table(args, f"benchmark-{part}", table)


def scale(args: Namespace) -> None:
    """Measure rates of one and two workers over many clips, and plan a large run from them."""
    from msa_core.cli.many import command

    output.needs_blocks(args, "scale-rates", "scale-plan")
    for block, text in command.scale(args).items():
        output.table(args, block, text)


def speech_check(args: Namespace) -> None:
    """Print how speech reading compares with openai-whisper's own, what it costs, or how emotional speech fares."""
    from msa_core.evaluation import emotional_speech, reading_cost, speech_comparison

    if args.data is not None and (args.before is not None or args.kind):
        raise MsaError("--data has sounds of its own. Leave out --before and --kind, or --data.")
    block = "speech-cost" if args.before is not None else "speech" if args.data is None else "voices"
    output.needs_blocks(args, block)
    if args.before is not None:
        output.table(args, block, reading_cost.table(Path(args.before), args.pairs, args.seed, args.kind))
    elif args.data is None:
        output.table(args, block, speech_comparison.table(args.seed, args.kind))
    else:
        output.table(args, block, emotional_speech.table(Path(args.data), args.seed))


def checkpoints(args: Namespace) -> None:
    """Verify and list the installed checkpoints."""
    from msa_core.evaluation.checkpoint_table import table

    output.table(args, "checkpoints", table())


def cards(args: Namespace) -> None:
    """Write the model card of every installed checkpoint."""
    from msa_core import checkpoint
    from msa_core.methods.card import CARD, card

    for name in checkpoint.available():
        file = output.folder(str(Path(args.out or checkpoint.ROOT) / name)) / CARD
        output.write(file, card(name), "--out")
        print(file)


def check_space(args: Namespace) -> int:
    """Check a checkout against the Hub's rules for a Space. Returns: exit code 2 when the Hub would refuse it."""
    from msa_core.cli import space

    errors, steps = space.check(Path(args.folder))
    print("\n".join([*(f"error: {e}" for e in errors), *steps]) or "Nothing stands against pushing this to a Space.")
    return 2 if errors else 0


def soak(args: Namespace) -> int:
    """Let many visitors use the page. Returns: exit code 2 when something was wrong."""
    from importlib.util import find_spec

    from msa_core.config import shipped

    if find_spec("gradio") is None:
        raise MsaError("The page is not installed here. Install it: pip install .[page]")
    from msa_core.soak import command

    output.needs_blocks(args, "soak")
    found = command.soak(args.visitors, args.minutes, shipped("examples"), args.url)
    output.table(args, "soak", command.table(found))
    print("".join(f"\nwrong: {fault}" for fault in found.faults), end="\n" if found.faults else "")
    return 2 if found.faults else 0


def sheet(args: Namespace) -> None:
    """Write the teacher's sheet in every language."""
    from msa_core.lessons.handout import sheet

    for line in sheet.command(output.folder(args.out) if args.out else sheet.FOLDER, args.device):
        print(line)


def _rates(text: str) -> dict[str, float]:
    """Parse the rates of `--frames text=0.5,audio=0.3`. Raises: MsaError."""
    from msa_core.missing import frame_rates

    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    names = [name.strip() for name, _, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise MsaError(f"--frames is {text!r}, with two shares of {twice}. Give one of each modality.")
    try:
        return frame_rates({name: float(rate) for name, (_, _, rate) in zip(names, pairs, strict=True)})
    except ValueError as e:
        raise MsaError(f"--frames is {text!r}; give shares from 0 to 0.9, such as text=0.5,audio=0.3.") from e
