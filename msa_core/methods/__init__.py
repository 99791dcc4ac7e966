"""Methods of multimodal sentiment analysis: late fusion, SDUMC, CorrKD and ProMMA, and their checkpoints."""

from msa_core.methods import outside
from msa_core.methods.base import (
    KINDS,
    PANELS,
    Displayed,
    Mechanism,
    Method,
    MethodConfig,
    Preset,
    Recipe,
    check_ranges,
)
from msa_core.methods.registry import METHODS, build, learning, method_name, method_of, panel_of, register
from msa_core.methods.shipped import golden, load, load_teacher, verify_golden

__all__ = [
    "KINDS",
    "METHODS",
    "PANELS",
    "Displayed",
    "Mechanism",
    "Method",
    "MethodConfig",
    "Preset",
    "Recipe",
    "build",
    "check_ranges",
    "golden",
    "learning",
    "load",
    "load_teacher",
    "method_name",
    "method_of",
    "panel_of",
    "register",
    "verify_golden",
]

outside.load()  # last: a method from outside imports the names above
