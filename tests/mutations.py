"""Random changes to files, for tests of what readers do with whatever they are given.

    rng = random.Random(0)
    broken = mutated(good, rng)

Most changes keep the file JSON and change its meaning: values of other kinds, numbers that are
huge or not numbers, keys that are missing, misspelt or twice there. The others damage the text.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

# JSON texts of values that a reader may not expect.
ODD = [
    *("null", "true", "false", "0", "-0.0", "1", "-1", "2", "0.5", "1e-9", "-1e-320", "1e9"),
    *("1e300", "1e999", "-1e308", "NaN", "-Infinity", "32768", "9223372036854775808"),
    *("1" + 400 * "0", "-" + 5000 * "9", "0." + 400 * "3", "[]", "{}", "[[]]", "[null]", "[1, 2]"),
    *('{"": 0}', '{"id": 1}', '""', '" "', '"1"', '"-3.5"', '"nan"', '"x"', '"true"', '"null"'),
    *(r'"\u0000"', r'"\n\r\t\u001b[31m"', r'"\ud800"', r'"\ud83d\ude00"', '"\u202e\u0301ß"'),
    *('"$\\\\frac$"', '"../../etc/passwd"', '"/dev/zero"', '"%s{0}"', '"' + 20_000 * "y" + '"'),
    *(60 * "[" + 60 * "]", 100_000 * "[" + 100_000 * "]", 2000 * '{"a":' + "1" + 2000 * "}"),
    *("[" + "0," * 5000 + "0]", "[" + "{}," * 500 + "{}]"),
]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The text after one to three changes.

    Args:
        content: A JSON file, or any other.
        rng: Source of the changes; the same state makes the same ones.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = _restructured(content, rng) if rng.random() < 0.85 else _damaged(content, rng)
    return content


def _restructured(content: bytes, rng: random.Random) -> bytes:
    """Changes one value or key, wherever in the file; what is not JSON is damaged instead."""
    try:
        root = [json.loads(content)]  # a list, so that the whole file is a value too
    except (ValueError, RecursionError):
        return _damaged(content, rng)
    holder, key = rng.choice(_places(root, rng))
    raw: list[str] = []

    def verbatim(text: str) -> str:
        """Stands for JSON text that Python's encoder would not write."""
        raw.append(text)
        return f"@{len(raw) - 1}@"

    value = holder[key]
    match rng.randrange(13):
        case 0 | 1 | 2:
            holder[key] = verbatim(rng.choice(ODD))
        case 3:
            if holder is not root:
                del holder[key]
        case 4:  # twice
            if isinstance(holder, dict):
                other = rng.choice((json.dumps(value), rng.choice(ODD)))
                holder[key] = verbatim(f"{json.dumps(value)}, {json.dumps(key)}: {other}")
            else:
                holder.extend(copy.deepcopy(value) for _ in range(rng.choice((1, 1, 3))))
        case 5:  # renamed, or one more
            name = _misspelt(str(key), rng)
            if isinstance(holder, dict):
                holder[name] = value if rng.random() < 0.5 else holder.pop(key)
            elif isinstance(value, dict):
                value[name] = verbatim(rng.choice(ODD))
        case 6:  # swapped with another
            other_holder, other_key = rng.choice(_places(root, rng))
            if holder is not root and other_holder is not root:
                swapped = copy.deepcopy((value, other_holder[other_key]))
                other_holder[other_key], holder[key] = swapped
        case 7:  # wrapped, or unwrapped
            inner = list(value.values()) if isinstance(value, dict) else value
            if isinstance(inner, list) and inner and rng.random() < 0.5:
                holder[key] = inner[0]
            else:
                holder[key] = rng.choice(([value], {str(key): value}, [value, value]))
        case 8:  # the same in another kind
            holder[key] = rng.choice((str(value), repr(value), [value], bool(value)))
        case _:  # of the same kind
            if isinstance(value, (int, float)) and abs(value) < 1e300:
                factors = (-1, 0, 1e-6, 1e3, 1e6, 1e12, 0.9, 1.5, 2, 5)
                holder[key] = type(value)(value * rng.choice(factors))
            elif isinstance(value, str):
                holder[key] = _misspelt(value, rng)
            elif isinstance(value, list):
                rng.shuffle(value)
            elif isinstance(value, dict) and value:
                value[rng.choice(list(value))] = verbatim(rng.choice(ODD))
    text = json.dumps(root[0], ensure_ascii=rng.random() < 0.5)
    for number, literal in enumerate(raw):
        text = text.replace(f'"@{number}@"', literal)
    return text.encode(errors="surrogatepass")


def _places(root: list[Any], rng: random.Random) -> list[tuple[Any, Any]]:
    """Where values are: (list or object, index or key); of large files a sample."""
    places, waiting = [], [root]
    while waiting and len(places) < 3000:
        holder: Any = waiting.pop(rng.randrange(len(waiting)))
        for key in list(holder if isinstance(holder, dict) else range(len(holder)))[:300]:
            places.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])
    return places


def _misspelt(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word) + 1)
    letter = rng.choice(["", "", word[-1:], "e", "$", "\0", "\n", "é", "\ud800", " ", "x" * 5000])
    return word[:at] + letter + word[at + rng.randrange(2) :]


def _damaged(content: bytes, rng: random.Random) -> bytes:
    """Changes bytes without regard to what they mean."""
    at = rng.randrange(len(content) + 1)
    end = min(len(content), at + rng.choice((1, 4, 30, 200)))
    match rng.randrange(6):
        case 0:
            return content[:at]
        case 1:  # flipped
            flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in content[at:end])
            return content[:at] + flipped + content[end:]
        case 2:
            return content[:at] + content[end:]
        case 3:
            return content[:end] + content[at:end] * rng.choice((1, 2, 50)) + content[end:]
        case 4:
            odd = (
                b"\0",
                b"\x1b[2J",
                b"\xff\xfe",
                b"\xed\xa0\x80",
                b"\xef\xbb\xbf",
                b'"',
                b"{",
                b"]",
            )
            return content[:at] + rng.choice(odd) + content[at:]
        case _:
            return rng.choice((b"", b"\n", content + content, b"\xef\xbb\xbf" + content, b"null"))
