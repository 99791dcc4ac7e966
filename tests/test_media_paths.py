"""What is said of a path that is no clip, and which files of a folder count as clips."""

import os

import numpy as np
import pytest
import variants

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.errors import MediaError


def said(path) -> str:
    with pytest.raises(MediaError) as error:
        media.check_file(path, MediaLimits())
    return str(error.value)


def test_what_is_no_ordinary_file_is_called_so(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "circle.mp4").symlink_to("circle.mp4")
    assert "pipe.mp4 is not an ordinary file" in said(tmp_path / "pipe.mp4")
    assert "null is not an ordinary file" in said("/dev/null")
    assert "There is no file none.mp4" in said(tmp_path / "none.mp4")
    assert "circle.mp4 is not an ordinary file" in said(tmp_path / "circle.mp4")
    with pytest.raises(MediaError, match="The name of the clip is empty"):
        media.probe("")


@pytest.mark.parametrize("address", ["https://example.org/a.mp4", "rtsp://camera/1", "FILE:///tmp/a.mp4"])
def test_addresses_are_not_opened(address):
    with pytest.raises(MediaError) as error:
        media.probe(address)
    assert str(error.value) == f"{address} is an address. Addresses are not opened: download the clip first."
    with pytest.raises(MediaError, match="is an address"):
        media.probe(address + "x" * 5000)


@pytest.mark.parametrize("name", ["d.vob", "t.asf", "x.mka", "book.m4b", "a.qt", "a.weba", "A.WEBM"])
def test_clips_of_every_container_that_is_read_are_found_in_folders(tmp_path, name):
    (tmp_path / name).write_bytes(b"1")
    assert [p.name for p in media.files(tmp_path)] == [name] and media.passed_over(tmp_path) == []


def test_other_files_of_a_folder_are_passed_over_by_name(tmp_path):
    for name in ("noext", "b.bin", "a.mp4", "words.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"1")
    assert media.passed_over(tmp_path) == ["b.bin", "noext"]


@pytest.mark.parametrize("peak", [3.0, 32_767.0])
def test_float_sound_of_another_full_scale_is_scaled(tmp_path, peak):
    wave = variants.sound() / np.abs(variants.sound()).max()
    path = variants.write(tmp_path / "a.wav", wave=peak * wave, audio="pcm_f32le", sample_format="flt")
    np.testing.assert_allclose(media.waveform(path, media.probe(path))[: len(wave)], wave, atol=1e-4)


def test_a_glitch_leaves_float_sound_as_it_is(tmp_path):
    wave = variants.sound().copy()
    wave[100:102] = 50.0
    path = variants.write(tmp_path / "a.wav", wave=wave, audio="pcm_f32le", sample_format="flt")
    np.testing.assert_allclose(media.waveform(path, media.probe(path))[: len(wave)], np.clip(wave, -1, 1), atol=1e-4)
