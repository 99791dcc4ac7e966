"""Media reading, all of it, by PyAV: probe, mono 16 kHz waveform, frames with times.

Times are decoded presentation times (pts) counted from the clip's earliest picture or sound.
"""

from msa_core.media.opening import (
    SUFFIXES,
    check_file,
    files,
    label,
    main_streams,
    open_clip,
    packets,
    readable,
    unordered,
)
from msa_core.media.pictures import Scaler, frames
from msa_core.media.probing import probe
from msa_core.media.sound import SAMPLE_RATE_HZ, waveform

__all__ = [
    "SAMPLE_RATE_HZ",
    "SUFFIXES",
    "Scaler",
    "check_file",
    "files",
    "frames",
    "label",
    "main_streams",
    "open_clip",
    "packets",
    "probe",
    "readable",
    "unordered",
    "waveform",
]
