"""Methods of multimodal sentiment analysis: late fusion, SDUMC, CorrKD and ProMMA, and their checkpoints."""

from msa_core.methods.base import KINDS, PANELS, Displayed, Mechanism, Method, MethodConfig, Recipe
from msa_core.methods.registry import METHODS, build, method_name, method_of, panel_of
from msa_core.methods.shipped import golden, load, load_teacher, verify_golden

__all__ = [
    "KINDS",
    "METHODS",
    "PANELS",
    "Displayed",
    "Mechanism",
    "Method",
    "MethodConfig",
    "Recipe",
    "build",
    "golden",
    "load",
    "load_teacher",
    "method_name",
    "method_of",
    "panel_of",
    "verify_golden",
]
