"""Readers of other libraries, kept from harm by what a file holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from qkd_gym.errors import InvalidInput, shown

_DEEPEST = 64  # elements within one another


@contextmanager
def refusals(where: str, format_name: str) -> Iterator[None]:
    """Turns whatever a library raises on a malformed file into one sentence.

    Args:
        where: What the file is, for the sentence.
        format_name: Name of the format.
    """
    try:
        yield
    except InvalidInput:
        raise
    # Their readers were not written for files that lie, and raise what comes: KeyError, TypeError,
    # RecursionError.
    except Exception as error:
        reason = shown(str(error) or type(error).__name__, 120)
        raise InvalidInput(f"{where} is not valid {format_name}: {reason}.") from None


def parse_xml(content: bytes, where: str) -> ElementTree.Element:
    """The root of an XML document that declares nothing of its own and is not too deep.

    Nothing that a document names is ever opened; one with a document type declaration, which could
    define entities that grow without limit, is refused before it is read.

    Args:
        content: The document.
        where: What it is, for errors.

    Raises:
        InvalidInput: If it is malformed, has a document type declaration, or is nested too deeply.
    """
    depth = 0

    def declared(*_: Any) -> NoReturn:
        raise InvalidInput(
            f"{where} has a document type declaration (DOCTYPE), but must have none: it could make "
            "a small file grow without limit."
        )

    def begin(*_: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise InvalidInput(f"{where} is nested more than {_DEEPEST} levels deep.")

    def end(*_: Any) -> None:
        nonlocal depth
        depth -= 1

    with refusals(where, "XML"):
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = declared
        parser.StartElementHandler = begin
        parser.EndElementHandler = end
        parser.Parse(content, True)
        return ElementTree.fromstring(content)
