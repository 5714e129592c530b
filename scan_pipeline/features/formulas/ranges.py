"""How far an indicator of ours looks back, and what parameters it takes."""

from collections.abc import Callable


def at_least(least: int, bars: int, *, name: str = "timeperiod") -> int:
    """The number of bars. Raises ValueError, which names the parameter and the least, where it is below that."""
    if bars < least:
        raise ValueError(f"{name}={bars} is too few bars: the least is {least}")
    return bars


def window(*, least: int = 1, more: int = 0, parameter: str = "timeperiod") -> Callable[..., int]:
    """The lookback of a window of so many bars as the parameter says, this one included, and `more` bars before it."""
    return lambda **parameters: at_least(least, parameters[parameter], name=parameter) - 1 + more
