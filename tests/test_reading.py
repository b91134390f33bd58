"""Files of others: what is refused, and that it takes one short sentence."""

import msgspec
import pytest

from qkd_gym.errors import InvalidInput, require_between, require_number, shown
from qkd_gym.reading import MOST_BYTES, decode_json, read_json


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """Something within a file."""

    length_km: float
    label: str | int = ""
    parts: list["Part"] = []
    counts: dict[str, int] = {}


REFUSED = {
    '{"length_km": "10"}': "length_km is '10', but must be a number",
    '{"length_km": true}': "length_km is True, but must be a number",
    '{"length_km": 1' + 400 * "0" + "}": "at most 64 bits",
    '{"length_km": 1' + 5000 * "0" + "}": "too many digits",
    '{"length_km": 1e999}': "must be finite",
    '{"length_km": NaN}': "must be finite",
    '{"length_km": 1, "length_km": 2}': "has the key 'length_km' twice",
    '{"length_km": 1, "parts": [{"length_km": null}]}': "parts[0].length_km is None",
    '{"length_km": 1, "parts": [{"length_km": 1, "lable": 2}]}': "parts[0] has no field 'lable'",
    '{"length_km": 1, "counts": {"a": 1.5}}': "but must be an integer",
    '{"length_km": 1, "label": []}': "label is [], but must be an integer or a text",
    '{"length_km": 1, "label": "\\ud800"}': "no UTF-8",
    "{}": "lacks the field 'length_km'",
    "[]": "is [], but must be an object",
    100_000 * "[": "nested more than 64 levels",
    "": "not valid JSON",
    '{"length_km": 1': "not valid JSON",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:30])
def test_what_is_refused_is_named_in_one_short_sentence(text):
    with pytest.raises(InvalidInput) as caught:
        decode_json(text.encode(), Part, "part 'a.json'")
    message = str(caught.value)
    assert message.startswith("part 'a.json'")
    assert REFUSED[text] in message
    assert message.count("\n") == 0
    assert len(message) <= 300


def test_half_surrogate_pairs_in_bytes_are_refused():
    with pytest.raises(InvalidInput, match="no UTF-8"):
        decode_json(b'{"length_km": 1, "label": "\xed\xa0\x80"}', Part, "part")
    assert decode_json(b'\xef\xbb\xbf{"length_km": 1}', Part, "part").length_km == 1.0


def test_unknown_fields_get_a_suggestion():
    with pytest.raises(InvalidInput, match="Did you mean 'length_km'"):
        decode_json(b'{"lenght_km": 1, "length_km": 2}', Part, "part")


def test_what_is_no_utf8_is_refused():
    for text in (b'{"length_km": 1, "label": "\xed\xa0\x80"}', b"\xff\xfe{\0}\0", b'"\xff"'):
        with pytest.raises(InvalidInput, match="no UTF-8"):
            decode_json(text, Part, "part")
    assert decode_json(b'\xef\xbb\xbf{"length_km": 1}', Part, "part").length_km == 1


def test_brackets_within_texts_do_not_nest():
    found = decode_json(b'{"length_km": 1, "label": "' + 100 * b'[\\"' + b'"}', Part, "part")
    assert found.label == 100 * '["'


def test_values_are_cut_at_80_characters():
    assert len(shown("x" * 1000)) == 80
    assert len(shown(10**5000)) <= 80  # python itself refuses to print it
    assert "\n" not in shown("a\nb")


@pytest.mark.parametrize("value", ["1.2", True, None, 1j, [1.0, "2"], 10**400, float("nan"), {}])
def test_only_numbers_are_numbers(value):
    with pytest.raises(InvalidInput, match="load is"):
        require_between("load", value, 0.0)
    with pytest.raises(InvalidInput, match="load is"):
        require_number("load", value, 0.0)


def test_a_single_number_is_no_array():
    require_between("load", [1.0, 2], 0.0)
    with pytest.raises(InvalidInput, match="load is"):
        require_number("load", [1.0], 0.0)


def test_files_are_plain_and_of_bounded_size(tmp_path):
    path = tmp_path / "part.json"
    path.write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(InvalidInput, match="larger than"):
        read_json(path, Part, "part")
    for missing in (tmp_path, tmp_path / "none.json", tmp_path / "zero\0.json"):
        with pytest.raises(InvalidInput, match=r"not there|cannot be read"):
            read_json(missing, Part, "part")
