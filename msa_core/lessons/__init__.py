"""Short lessons that run the loaded models on one clip: guess, see the computed answer, then experiment."""

from msa_core.lessons.adds import Adds
from msa_core.lessons.breaks import Breaks
from msa_core.lessons.contract import Lesson
from msa_core.lessons.distil import Distil
from msa_core.lessons.frames import FramesOrModalities
from msa_core.lessons.imagine import Imagine
from msa_core.lessons.impute import Impute
from msa_core.lessons.interval import Interval
from msa_core.lessons.people import People
from msa_core.lessons.prompts import Prompts

# In reading order: the visitor as the model, then five on why a missing modality hurts and three ideas that help.
LESSONS: tuple[Lesson, ...] = (
    People(), Adds(), Breaks(), Imagine(), Distil(), Impute(), Prompts(), FramesOrModalities(), Interval(),
)  # fmt: skip
