"""Short lessons, each driving the loaded models on one clip: guess first, then see it computed, then try."""

from .adds import Adds
from .breaks import Breaks
from .contract import Lesson
from .distil import Distil
from .frames import FramesOrModalities
from .imagine import Imagine
from .impute import Impute
from .interval import Interval
from .prompts import Prompts

# In the order of reading: the first five say why a missing modality hurts and what three ideas do about it.
LESSONS: tuple[Lesson, ...] = (
    Adds(), Breaks(), Imagine(), Distil(), Impute(), Prompts(), FramesOrModalities(), Interval(),
)  # fmt: skip
