"""Clips made worse on purpose: how much, the same every time, what the models and the visitor then get."""

from __future__ import annotations

import math

import numpy as np
import pytest
import variants

from msa_core import degrade, media
from msa_core.degrade import Degradation
from msa_core.errors import MediaError, MsaError
from msa_core.media import opening
from msa_core.page import preview

RATE = media.SAMPLE_RATE_HZ


def tone(seconds: float = 2.0, loud_s: float = 1.0) -> np.ndarray:
    """A soft tone followed by silence."""
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.05 * np.sin(2 * np.pi * 440 * t) * (t < loud_s)).astype(np.float32)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"blur": -0.01}, r"^The blur is -0.01. Give a share of the picture from 0 to 0.1.$"),
        ({"blur": 0.2}, r"^The blur is 0.2. Give"),
        ({"blur": math.nan}, r"^The blur is nan. Give"),
        (
            {"noise_db": 31.0},
            r"^The noise is at 31.0 dB. Give a signal-to-noise ratio from -10 to 30 dB, or leave it out.$",
        ),
        ({"noise_db": -math.inf}, r"^The noise is at -inf dB. Give"),
    ],
)
def test_out_of_range_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(MsaError, match=message):
        Degradation(**values)


def test_nothing_is_nothing() -> None:
    wave, image = tone(), np.zeros((4, 6, 3), np.uint8)
    assert Degradation().none and Degradation().sound(wave) is wave and Degradation().picture(image) is image
    assert Degradation().notes(True, True) == ()
    assert not Degradation(blur=0.01).none and not Degradation(noise_db=0.0).none


@pytest.mark.parametrize("noise_db", [-10.0, 0.0, 5.0, 30.0])
def test_noise_has_its_level_over_the_tone_and_not_over_the_pause(noise_db: float) -> None:
    """A tone of amplitude 0.05 has the power 0.00125 while it lasts; the second of silence does not count."""
    wave = tone()
    heard = Degradation(noise_db=noise_db).sound(wave)
    if (peak := np.abs(heard).max()) == 1:  # the sum was made softer as a whole
        scale = float(np.dot(heard[:RATE], wave[:RATE]) / np.dot(wave[:RATE], wave[:RATE]))
        heard = heard / scale
    noise = heard - wave
    assert heard.dtype == np.float32 and peak <= 1
    assert 10 * np.log10(0.00125 / np.mean(noise**2)) == pytest.approx(noise_db, abs=0.3)


def test_the_same_clip_gets_the_same_noise_and_another_clip_other_noise() -> None:
    wave, other = tone(), tone(loud_s=0.9)
    a, b, c = (Degradation(noise_db=5.0).sound(w) for w in (wave, wave.copy(), other))
    assert np.array_equal(a, b)
    assert abs(np.corrcoef(a - wave, c - other)[0, 1]) < 0.1


def test_silence_and_nothing_stay_as_they_are() -> None:
    for wave in (np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        assert np.array_equal(Degradation(noise_db=0.0).sound(wave), wave)


def test_a_loud_clip_is_not_clipped() -> None:
    wave = np.sign(tone(1.0)).astype(np.float32)
    heard = Degradation(noise_db=0.0).sound(wave)
    assert np.abs(heard).max() == pytest.approx(1.0, abs=1e-6) and (np.abs(heard) > 0.999).sum() < 5


def test_pink_noise_has_as_much_power_in_every_octave() -> None:
    noise = degrade.pink(30 * RATE, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)
    octaves = [power[(hz >= low) & (hz < 2 * low)].sum() for low in (100, 200, 400, 800, 1600, 3200)]
    assert np.ptp(10 * np.log10(octaves)) < 0.5 and np.mean(noise**2) == pytest.approx(1)


@pytest.mark.parametrize("blur, size", [(0.02, (300, 200)), (0.02, (200, 300)), (0.05, (100, 160))])
def test_a_point_spreads_by_a_share_of_the_shorter_side(blur: float, size: tuple[int, int]) -> None:
    """The picture of a line is a Gaussian of standard deviation blur x shorter side."""
    image = np.zeros((*size, 3), np.uint8)
    image[:, size[1] // 2] = 255
    across = Degradation(blur=blur).picture(image)[size[0] // 2, :, 0].astype(float)
    x = np.arange(size[1]) - size[1] // 2
    assert math.sqrt((across * x**2).sum() / across.sum()) == pytest.approx(blur * min(size), rel=0.1)


def test_what_was_done_is_said() -> None:
    worse = Degradation(blur=0.03, noise_db=5.0)
    sound, picture = "Noise was added to the sound at 5 dB.", "The picture was blurred by 3 % of its shorter side."
    assert worse.notes(True, True) == (sound, picture)
    assert worse.notes(False, True) == (picture,) and worse.notes(True, False) == (sound,)


@pytest.mark.slow
def test_the_preview_is_what_the_models_get(tmp_path) -> None:
    worse = Degradation(blur=0.05, noise_db=0.0)
    out = preview.degraded_copy(variants.REAL, worse, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [out] and out.name == "crema_happy-blur50-noise0.mp4"
    with opening.open_clip(out) as container:
        assert {s.codec_context.name for s in container.streams} == {"h264", "aac"}
    before, after = media.probe(variants.REAL), media.probe(out)
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.05)
    want, got = worse.sound(media.waveform(variants.REAL, before)), media.waveform(out, after)
    n, lag = min(len(want), len(got)) - 200, 100
    likeness = max(np.corrcoef(want[lag + k : n - lag + k], got[lag : n - lag])[0, 1] for k in range(-64, 65))
    assert likeness > 0.9, "the sound of the copy is not the damaged one"
    (_, sharp), (_, soft) = (next(media.frames(p, media.probe(p))) for p in (variants.REAL, out))
    assert np.abs(soft.astype(int) - worse.picture(sharp)).mean() < 4 < np.abs(soft.astype(int) - sharp).mean()


def test_a_preview_of_no_clip_leaves_nothing(clip, tmp_path) -> None:
    with pytest.raises(MediaError, match=r"^text.mp4 is not a media file"):
        preview.degraded_copy(clip("text.mp4"), Degradation(blur=0.05), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_without_damage_the_copy_is_that_of_the_browser(clip, tmp_path) -> None:
    plain = preview.browser_copy(clip("hevc.mp4"), tmp_path / "a")
    assert preview.degraded_copy(clip("hevc.mp4"), Degradation(), tmp_path / "b").read_bytes() == plain.read_bytes()
