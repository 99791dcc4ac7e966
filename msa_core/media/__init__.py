"""Media reading, all of it, by PyAV in a process of its own: probe, mono 16 kHz waveform, frames with times.

Times are decoded presentation times (pts) counted from the clip's earliest picture or sound.
"""

from msa_core.media.paths import SUFFIXES, check_file, files, label, passed_over
from msa_core.media.reading import close, frames, jpeg, probe, warm, waveform
from msa_core.schema import SAMPLE_RATE_HZ

__all__ = [
    "SAMPLE_RATE_HZ",
    "SUFFIXES",
    "check_file",
    "close",
    "files",
    "frames",
    "jpeg",
    "label",
    "passed_over",
    "probe",
    "warm",
    "waveform",
]
