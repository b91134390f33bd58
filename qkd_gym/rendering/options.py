"""How pictures look."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qkd_gym.errors import InvalidInput, require_choice, require_integer, require_known_keys, shown

COLOURS = ("pool", "qber")
_LEAST, _MOST = (450, 300), 4000  # pixels; smaller letters could not be read


@dataclass(frozen=True)
class RenderOptions:
    """How pictures look.

    Attributes:
        size: Width and height in pixels, from 450 x 300 to 4,000 x 4,000.
        colour: What the colour of a link shows: ``"pool"``, its stored key over the capacity of its
            pool, or ``"qber"``, its last measured QBER over the one that ends its key.
        title: Line above the panel; the name of the network if it is empty.

    Raises:
        InvalidInput: On a value outside its range.
    """

    size: tuple[int, int] = (600, 400)
    colour: str = "pool"
    title: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.size, (tuple, list)) or len(self.size) != 2:
            raise InvalidInput(f"size is {shown(self.size)}, but must be a width and a height.")
        for side, least in zip(self.size, _LEAST, strict=True):
            require_integer("size", side, least, _MOST)
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        require_choice("colour", self.colour, COLOURS)
        if not isinstance(self.title, str):
            raise InvalidInput(f"title is {shown(self.title)}, but must be a text.")

    @classmethod
    def read(cls, given: RenderOptions | Mapping[str, Any] | None) -> RenderOptions:
        """Options as an environment takes them: themselves, a mapping of their fields, or none.

        Raises:
            InvalidInput: On anything else, an unknown field or a value outside its range.
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping | None):
            raise InvalidInput(
                f"render_options is {shown(given)}, but must be a mapping or RenderOptions."
            )
        names = [field.name for field in dataclasses.fields(cls)]
        require_known_keys("render_options", given or {}, names)
        return cls(**(given or {}))
