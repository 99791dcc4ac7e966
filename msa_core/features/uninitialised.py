"""Networks built without drawing their first weights, for those whose weights are loaded at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch.overrides import TorchFunctionMode


class Uninitialised(TorchFunctionMode):
    """Inside, `torch.nn.init` leaves tensors as they are; every weight must be loaded afterwards.

    >>> from torch import nn
    >>> with Uninitialised():
    ...     layer = nn.Linear(2, 3)
    >>> layer.weight.shape
    torch.Size([3, 2])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the tensor that was to be drawn, and call everything else."""
        named = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init":
            return named["tensor"] if "tensor" in named else args[0]
        return func(*args, **named)
