"""The reservation of a GPU on Hugging Face ZeroGPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import spaces

    gpu = spaces.GPU
except ImportError:

    def gpu(function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is: off ZeroGPU nothing needs to be reserved."""
        return function
