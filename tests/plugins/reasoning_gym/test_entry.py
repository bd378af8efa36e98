import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from guerdon_reasoning_gym.entry import from_json, to_json

KEYS = (
    st.text(max_size=3)
    | st.integers()
    | st.tuples(st.integers(), st.integers())
    | st.sampled_from(["tuple", "dict", "fraction"])
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.fractions() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=3)
    ),
)


@given(VALUES)
def test_tuples_and_keys_that_are_no_text_survive_the_way_through_json(value: Any) -> None:
    assert repr(from_json(json.loads(json.dumps(to_json(value))))) == repr(value)


def test_what_is_json_already_stays_as_it_is() -> None:
    value = {"a": [1, None, {"b": "c"}], "tuple": 1, "dict": 2}
    assert to_json(value) == value
