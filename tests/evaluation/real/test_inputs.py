"""What the measures of real people read: sentences, voices, votes, and a visitor's own labels."""

from pathlib import Path

import numpy as np
import pytest
from csv_files import write_csv
from sounds import write_tone

from msa_core.corpora import tuning_texts
from msa_core.errors import MsaError
from msa_core.evaluation.real import clips, texts, voices

FACES = {"A": 0, "D": 0, "F": 0, "H": 0, "N": 0, "S": 0}


def test_cp1252_characters_are_mended():
    assert tuning_texts.mend("he\x92s \x85 \x97 \x93no\x94 caf\u00e9 \x81") == "he’s … — “no” café "


def test_meld_stands_on_a_stated_scale(tmp_path):
    lines = [("Hey\x92s!", "positive", 0), ("...", "neutral", 0), ("No.", "negative", 1), ("What?", "neutral", 1)]
    rows = [{"Utterance": t, "Sentiment": s, "Dialogue_ID": d} for t, s, d in lines]
    write_csv(tmp_path / texts.MELD["dev"], rows)
    write_csv(tmp_path / texts.MELD["train"], rows[2:3] * 3)
    found = texts.meld(tmp_path)
    assert found.texts == ("Hey’s!", "No.", "What?") and found.without_words == 1
    assert found.labels.tolist() == [1.5, -1.5, 0] and found.neutral.tolist() == [False, False, True]
    assert found.clusters.tolist() == ["0", "1", "1"] and found.constant == -1.5
    write_csv(tmp_path / texts.MELD["train"], [{**rows[0], "Sentiment": "mixed"}])
    with pytest.raises(MsaError, match="sentiment 'mixed'. Known are: negative, neutral, positive"):
        texts.meld(tmp_path)


def test_emobank_is_mapped_and_split(tmp_path):
    values = [("train", 2.5), ("train", 3.0), ("train", 4.0), ("dev", 3.1), ("dev", 2.0)]
    rows = [{"id": str(i), "split": s, "V": v, "text": "a word"} for i, (s, v) in enumerate(values)]
    write_csv(tmp_path / texts.EMOBANK, rows)
    found = texts.emobank(tmp_path)
    assert found.labels == pytest.approx([0.3, -3]) and found.neutral.tolist() == [True, False]
    assert found.constant == 0 and found.ids == ("3", "4")
    write_csv(tmp_path / texts.EMOBANK, rows[:3])
    with pytest.raises(MsaError, match="0 of 3 rows in the split 'dev'"):
        texts.emobank(tmp_path)


def test_ravdess_is_split_by_speaker(tmp_path):
    for actor in ("01", "03", "07"):
        path = tmp_path / "ravdess" / f"Actor_{actor}" / f"03-01-05-02-01-01-{actor}.wav"
        path.parent.mkdir(parents=True)
        path.touch()
    found, train = voices.ravdess(tmp_path), voices.ravdess(tmp_path, ("train",))
    assert found.speakers.tolist() == ["ravdess-03", "ravdess-07"] and train.speakers.tolist() == ["ravdess-01"]
    assert found.labels.tolist() == [-3, -3] and found.emotions[0] == "angry" and found.sentences[0] == "01"


def test_nemo_is_drawn_with_a_seed(tmp_path):
    rows = []
    for sentence in range(6):
        for speaker in ("AA0", "BB0"):
            name = f"{speaker}_anger_{sentence}"
            rows.append({"file_id": f"{name}.wav", "emotion": "anger", "normalized_text": f"s{sentence}",
                         "speaker_id": f"   {speaker}"})  # fmt: skip
            write_tone(tmp_path / "nemo" / f"{name}.opus", 200, 0.1)
    write_csv(tmp_path / voices.NEMO, rows, delimiter="\t")
    found = voices.nemo(tmp_path, 3)
    assert len(found.ids) == 6 and len(set(found.sentences)) == 3 and set(found.speakers) == {"AA0", "BB0"}
    assert voices.nemo(tmp_path, 3).ids == found.ids and voices.nemo(tmp_path, 3, seed=1).ids != found.ids
    found.paths[0].unlink()
    with pytest.raises(MsaError, match=f"names {found.paths[0].name}, which is not beside it"):
        voices.nemo(tmp_path, 3)


def test_votes_become_labels_of_what_the_voters_had(tmp_path):
    name = "1001_DFA_HAP_XX"
    write_csv(
        tmp_path / clips.VOTES,
        [
            {"fileName": name, "channel": "voice", **FACES, "A": 1, "N": 3},
            {"fileName": name, "channel": "face", **FACES, "H": 4},
            {"fileName": name, "channel": "both", **FACES, "H": 1, "S": 1},
            {"fileName": "another", "channel": "both", **FACES, "H": 9},
        ],
    )
    (tmp_path / "cremad").mkdir()
    for file in (f"{name}.mp4", "unknown.mp4", "README.txt"):
        (tmp_path / "cremad" / file).touch()
    (found,) = clips.cremad(tmp_path, tmp_path)
    assert found.labels == {"audio": -0.5, "text+audio": -0.5, "vision": 2, "audio+vision": 0, "text+audio+vision": 0}
    # voice: the angry one is 2 from three zeros, each zero is 2/3 from the mean of the others
    assert found.one_person["audio"] == pytest.approx((2 + 3 * 2 / 3) / 4) and found.one_person["vision"] == 0
    assert found.name == f"{name}.mp4"
    assert found.spread == pytest.approx((np.std([-2, 0, 0, 0], ddof=1), 0, np.std([2, -2], ddof=1)))


def test_clips_of_one_name_are_called_by_their_path(tmp_path):
    for name in ("one/grid_a.mp4", "two/grid_a.mp4", "two/grid_b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [c.name for c in clips.grid(tmp_path)] == ["one/grid_a.mp4", "two/grid_a.mp4", "grid_b.mp4"]


def labels(folder: Path, text: str | bytes) -> Path:
    (folder / "a.mp4").touch()
    (folder / "b.mp4").touch()
    (folder / clips.LABELS).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_labels_of_ones_own(tmp_path):
    found = clips.labelled(labels(tmp_path, "\ufefffile,label\na.mp4,-3\nb.mp4, 1.5\n"))
    assert [c.name for c in found] == ["a.mp4", "b.mp4"]
    assert set(found[0].labels.values()) == {-3.0} and found[1].labels["text+vision"] == 1.5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "has no column 'file' but no rows. Give the columns file, label"),
        ("clip,score\na.mp4,1\n", "has no column 'file' but 'clip', 'score'. Give the columns file, label"),
        ("file,label\na.mp4,1\nc.mp4,1\n", "line 3: there is no file 'c.mp4' in the folder"),
        ("file,label\n,1\n", "line 2: there is no file '' in the folder"),
        (f"file,label\n{'x' * 300}.mp4,1\n", f"line 2: there is no file '{'x' * 75} [...] {'x' * 16}.mp4' in"),
        ("file,label\na.mp4,good\n", "line 2: the label 'good' is no number. Give one from -3 to 3"),
        ("file,label\na.mp4,nan\n", "line 2: the label 'nan' is no number"),
        ("file,label\n\na.mp4,0,5\n", "line 3: 3 cells for 2 columns: 'a.mp4', '0', '5'. Put a cell"),
        ("file,label\na.mp4\n", "line 2: the label '' is no number"),
        ("file,label\na.mp4,3.1\n", "line 2: the label 3.1 is outside the scale"),
        ("file,label\na.mp4,1\n./a.mp4,2\n", "line 3: ./a.mp4 has a label already"),
        (b"file,label\n\xff.mp4,1\n", "Cannot read the table labels.csv of"),
    ],
)
def test_a_wrong_table_of_labels_is_named_with_its_line(tmp_path, text, fault):
    with pytest.raises(MsaError) as error:
        clips.labelled(labels(tmp_path, text))
    assert fault in error.value.message and "\n" not in error.value.message


def test_a_folder_without_labels_says_how_to_write_them(tmp_path):
    with pytest.raises(MsaError, match=r"has no labels.csv. Write one line a clip: file,label"):
        clips.labelled(tmp_path)
