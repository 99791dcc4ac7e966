"""The command line as a user meets it: one line on standard error, exit codes, nothing left on disk."""

import json
import subprocess
import sys
from dataclasses import replace

import feature_files
import pytest
from paths import ROOT

from msa_core.__main__ import main
from msa_core.cli.many.run import Outcome
from msa_core.corpora.corpus import Corpus
from msa_core.predict import Analyser

HAPPY = str(ROOT / "examples" / "crema_happy.mp4")


@pytest.fixture
def loaded(analyser, monkeypatch):
    """The session's models in place of a second load; other methods are loaded as ever."""
    load = Analyser.load
    monkeypatch.setattr(Analyser, "load", lambda d, name, *more: analyser if name == "sdumc" else load(d, name, *more))


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "msa_core", "sing"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "invalid choice: 'sing'" in done.stderr and done.stdout == ""


def test_a_full_disk_is_one_line(tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("msa_core.cli.many.command.run", full)
    assert main(["extract", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "msa_core extract: No space left on device: somewhere\n"


@pytest.mark.slow
def test_analyse_prints_one_json_object(capfd, loaded):
    """Nothing else is written, not by a library either; test_package.py runs the command as a process."""
    assert main(["analyse", HAPPY, "--drop", "text,vision", "--json", "-"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["dropped"] == ["text", "vision"] and answer["text_source"] == "simulated"


@pytest.mark.slow
def test_analyse_for_people(capsys, loaded):
    assert main(["analyse", HAPPY, "--drop", "audio"]) == 0
    out = capsys.readouterr().out
    assert (
        "Without your voice, the complete model moves" in out
        and "not a measure of feelings" in out
        and "contributions" in out
    )


@pytest.mark.slow
def test_frames_and_words_may_be_changed(tmp_path, capsys, loaded):
    out = tmp_path / "answer.json"
    words = ["--transcript", "This is awful", "--frames", "audio=0.5, vision=0"]
    assert main(["analyse", HAPPY, *words, "--json", str(out)]) == 0
    answer = json.loads(out.read_text())
    assert (
        answer["transcript"] == "This is awful" and answer["edited"] and answer["frame_missing_rate"] == {"audio": 0.5}
    )
    said = capsys.readouterr().out
    assert "With 50% of your voice's frames dropped and with the words edited, the complete model" in said
    assert "present, 50% of its frames dropped" in said and "note: The interval is calibrated without" in said


@pytest.mark.slow
def test_a_clip_made_worse_and_another_language(capsys, loaded, analyser, monkeypatch):
    assert main(["analyse", HAPPY, "--blur", "0.03", "--noise", "20"]) == 0
    out = capsys.readouterr().out
    assert "note: Noise was added to the sound at 20 dB." in out and "blurred by 3 % of its shorter side" in out
    extract, asked = analyser.extract, []

    def translated(path, limits, **options):
        asked.append((options["spoken"], options["any_language"]))
        return replace(extract(path, limits), transcript="别忘了外套。", translation="Don't forget a jacket.")

    monkeypatch.setattr(analyser, "extract", translated)
    assert main(["analyse", HAPPY, "--spoken", "zh"]) == 0 and asked == [("zh", False)]
    assert "“别忘了外套。”\n  “Don't forget a jacket.”" in capsys.readouterr().out
    assert main(["analyse", HAPPY, "--spoken", "zh", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["translation"] == "Don't forget a jacket."
    assert main(["analyse", HAPPY, "--any-language"]) == 0 and asked[-1] == ("en", True)


@pytest.mark.parametrize("wanted", [False, True])
def test_the_words_of_a_folder_may_be_in_any_language(capsys, monkeypatch, tmp_path, wanted):
    asked = []
    monkeypatch.setattr(
        "msa_core.cli.many.command.run", lambda task, *_, **__: asked.append(task.any_language) or Outcome(2, {}, 2)
    )
    command = ["extract", str(tmp_path), "--out", str(tmp_path / "out"), *["--any-language"] * wanted]
    assert main(command) == 0 and asked == [wanted] and "2 clips extracted" in capsys.readouterr().out


@pytest.mark.parametrize(("bad", "code"), [({}, 0), ({"a.wav": "empty"}, 0), ({"a.wav": "empty", "b.wav": "empty"}, 2)])
def test_a_folder_of_which_nothing_can_be_read_is_an_error(bad, code, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("msa_core.cli.many.command.run", lambda *_, **__: Outcome(2, bad, 2))
    assert main(["extract", str(tmp_path), "--out", str(tmp_path / "out")]) == code
    assert f"{2 - len(bad)} clips extracted" in capsys.readouterr().out
    assert main(["analyse", str(tmp_path), "--out", str(tmp_path / "table.csv")]) == code


@pytest.mark.slow
def test_json_file(tmp_path, capsys, loaded):
    out = tmp_path / "answer.json"
    assert main(["analyse", HAPPY, "--json", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert json.loads(text)["method"] == "sdumc"
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"  # as the page saves it


def test_a_list_that_is_given_twice_is_one_list_and_another_option_is_refused(capsys, loaded):
    assert main(["analyse", HAPPY, "--drop", "text", "--drop", "vision", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["dropped"] == ["text", "vision"]
    assert main(["analyse", HAPPY, "--frames", "audio=0.5", "--frames", "text=0.2", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["frame_missing_rate"] == {"audio": 0.5, "text": 0.2}
    with pytest.raises(SystemExit) as stopped:
        main(["analyse", HAPPY, "--method", "sdumc", "--method", "corrkd"])
    assert stopped.value.code == 2
    assert "argument --method: is given twice, as 'sdumc' and as 'corrkd'. Give it once." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing.mp4"], "missing.mp4"),
        ([HAPPY, "--drop", "smell"], "Unknown modality 'smell'"),
        ([HAPPY, "--drop", "text,audio,vision"], "Nothing is left to analyse"),
        ([HAPPY, "--text", "braille"], "Unknown text source 'braille'"),
        ([HAPPY, "--frames", "text=1"], "The frame rate of text is 1.0; give a share from 0 to 0.9"),
        ([HAPPY, "--frames", "text"], "--frames is 'text'; give shares from 0 to 0.9"),
        ([HAPPY, "--frames", "smell=0.5"], "Unknown modality 'smell'"),
        ([HAPPY, "--frames", "audio=0.5", "--frames", "audio=0.2"], "with two shares of audio"),
        ([HAPPY, "--transcript", "x" * 2001], "shorten it to at most 2000 characters"),
        ([HAPPY, "--blur", "0.5"], "The blur is 0.5. Give a share of the picture from 0 to 0.1."),
        ([HAPPY, "--noise", "40"], "The noise is at 40.0 dB. Give a signal-to-noise ratio from -10 to 30 dB"),
        ([HAPPY, "--method", "nope"], "No checkpoint 'nope'"),
        ([HAPPY, "--method", "expression-ferplus-v1"], "expression-ferplus-v1"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments, message, capsys, loaded, nothing_left):
    assert main(["analyse", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--set", "input_dropout=[1]"], "give 3 values"),
        (["--set", 'input_dropout=["a","b","c"]'], "give a value of type float"),
        (["--set", "d_model=-4"], "d_model is -4"),
        (["--set", "dropout=5"], "dropout is 5.0"),
        (["--set", "weight_decay=-1"], "weight_decay is -1.0"),
        (["--set", "epochs=abc"], "give a value of type int"),
        (["--set", "clip_norm=Infinity"], "TrainConfig.clip_norm is inf; give a finite number."),
        (["--set", "weight_decay=1e999"], "TrainConfig.weight_decay is inf; give a finite number."),
        (["--set", "weight_rs_view=Infinity"], "SDUMCConfig.weight_rs_view is inf; give a finite number."),
        (["--set", "input_noise=[0,NaN,0]"], "SDUMCConfig.input_noise is nan; give a finite number."),
        (["--set", "seed=99999999999999999999"], "TrainConfig.seed is 99999999999999999999; give a number of at most"),
        (["--set", "lr=0.1", "--set", "lr=0.2"], "lr is given twice, as 0.1 and as 0.2"),
        (["--label", "a/b"], "no name for a run"),
        ([], "no corpus"),
    ],
)
def test_bad_training_is_one_line(arguments, message, tmp_path, capsys):
    assert main(["train", "sdumc", "--corpus", str(tmp_path), "--out", str(tmp_path / "runs"), *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_a_damaged_corpus_and_an_impossible_folder(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    assert main(["train", "sdumc", "--corpus", str(tmp_path), "--out", str(tmp_path / "runs")]) == 2
    assert "no corpus manifest" in capsys.readouterr().err
    assert main(["evaluate", "--corpus", str(tmp_path), "--runs", "r", "--out", str(tmp_path / "manifest.json")]) == 2
    assert "Cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["benchmark", "--repeats", "0"], ["analyse", HAPPY, "--device", "tpu"]])
def test_impossible_options_are_exit_code_2(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_unknown_command_is_exit_code_2():
    with pytest.raises(SystemExit) as stop:
        main(["sing"])
    assert stop.value.code == 2


@pytest.mark.parametrize("content", [b"", b"not a video at all", bytes(range(256)) * 40])
def test_not_a_video(content, tmp_path_factory, capsys, loaded, nothing_left):
    clip = tmp_path_factory.mktemp("bad") / "clip with ünicode.mp4"
    clip.write_bytes(content)
    assert main(["analyse", str(clip)]) == 2
    err = capsys.readouterr().err
    assert clip.name in err and err.count("\n") == 1


def test_checkpoints_are_listed(capsys):
    assert main(["checkpoints"]) == 0
    assert "| sdumc-composite-v1 |" in capsys.readouterr().out


def test_feature_files_are_checked_and_imported(tmp_path, capsys):
    path = feature_files.dump(tmp_path / "mosi.pkl", feature_files.mmsa())
    assert main(["check", str(path)]) == 0
    assert "splits: train 5, valid 3, test 4" in capsys.readouterr().out
    assert main(["import", str(path), "--name", "mine", "--out", str(tmp_path / "corpus")]) == 0
    assert capsys.readouterr().out.startswith("mine: 12 utterances")
    assert len(Corpus.load(tmp_path / "corpus")) == 12
    swapped = feature_files.dump(tmp_path / "swapped.pkl", feature_files.mmsa(widths=(768, 20, 5)))
    assert main(["check", str(swapped)]) == 2
    assert "swapped" in capsys.readouterr().out
    for argv in (["import", str(swapped), "--out", str(tmp_path / "no")], ["check", str(tmp_path / "nothing.pkl")]):
        assert main(argv) == 2
    said = capsys.readouterr()
    assert "swapped" in said.err and said.err.count("\n") == 1 and "nothing.pkl" in said.out
    assert not (tmp_path / "no").exists()


def test_a_disk_that_fills_up_while_a_corpus_is_written_is_one_line(tmp_path, capsys):
    """A limit on the size of files stands for the full disk."""
    resource = pytest.importorskip("resource")
    path = feature_files.dump(tmp_path / "mosi.pkl", feature_files.mmsa())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        assert main(["import", str(path), "--out", str(tmp_path / "corpus")]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err
    assert said.startswith("msa_core import: ") and said.count("\n") == 1 and "Error" not in said
    assert [p.name for p in tmp_path.iterdir()] == ["mosi.pkl"]


def test_a_folder_that_is_no_corpus_is_never_replaced(tmp_path, capsys):
    path = feature_files.dump(tmp_path / "mosi.pkl", feature_files.mmsa())
    mine = tmp_path / "features"
    mine.mkdir()
    (mine / "clip.npz").write_bytes(b"hours of work")
    for argv in (["import", str(path)], ["corpus", "mosi", "--data", str(tmp_path)]):
        assert main([*argv, "--out", str(mine)]) == 2
        assert "is no corpus; its contents would be lost" in capsys.readouterr().err
    assert (mine / "clip.npz").read_bytes() == b"hours of work"
    (tmp_path / "empty").mkdir()
    for _ in range(2):  # into an empty folder, and over the corpus that is then there
        assert main(["import", str(path), "--out", str(tmp_path / "empty")]) == 0
    assert main(["corpus", "nothing", "--data", "x", "--out", str(tmp_path / "new")]) == 2
    assert "Valid corpora: composite, ravdess, mosi" in capsys.readouterr().err


def test_a_corpus_by_name_needs_its_data(tmp_path, capsys):
    for name in ("mosi", "mosi-cv", "mosei-922", "mmmo-120", "mosi-text"):
        assert main(["corpus", name, "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
        err = capsys.readouterr().err
        assert "missing" in err and err.count("\n") == 1 and not (tmp_path / "out").exists()
