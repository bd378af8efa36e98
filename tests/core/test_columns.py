import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guerdon import DataError
from guerdon.columns import PRESETS, ROLLOUT_COLUMNS, TASK_COLUMNS, rollout_of, task_of
from guerdon.jsonvalues import DEEPEST, parse, plain
from guerdon.rows import read_rows

MESSAGES = [{"role": "user", "content": "2+2?"}]
ROW = {"prompt": "2+2?", "completion": "4", "ground_truth": "4"}


def test_a_row_becomes_a_rollout_and_its_group() -> None:
    row = {
        **ROW,
        "id": 7,
        "domain": "math",
        "language": "en",
        "truncated": True,
        "metadata": {"level": 3},
        "group": "g",
        "prefill": "<think>\n",
    }
    rollout, group = rollout_of(row, "f:1")
    task = rollout.task
    assert (task.id, task.domain, task.language, task.metadata) == ("7", "math", "en", {"level": 3})
    assert (rollout.completion, rollout.truncated, rollout.prefill, group) == ("4", True, "<think>\n", "g")


def test_what_is_not_known_is_left_open() -> None:
    rollout, group = rollout_of(ROW, "f:1")
    assert group is None
    assert (rollout.task.domain, rollout.task.language, rollout.task.metadata) == (None, None, {})
    assert (rollout.truncated, rollout.prefill) == (False, "")


def test_without_an_id_the_group_names_the_task_and_without_a_group_its_content_does() -> None:
    assert task_of({**ROW, "group": 3}, "f:1").id == "3"
    one, same = task_of(ROW, "f:1").id, task_of({**ROW, "completion": "5"}, "f:9").id
    assert one == same
    assert one != task_of({**ROW, "ground_truth": "5"}, "f:1").id
    assert one != task_of({**ROW, "prompt": "2+3?"}, "f:1").id


def test_a_name_by_content_is_the_same_in_every_process_and_version() -> None:
    assert task_of(ROW, "f:1").id == "07932e845657ae20"


def test_columns_are_mapped_and_dots_reach_into_objects() -> None:
    row = {"question": "q", "response": "r", "reward_model": {"ground_truth": [1]}, "a.b": "math", "a": {"b": "code"}}
    mapping = {
        "prompt": "question",
        "completion": "response",
        "ground_truth": "reward_model.ground_truth",
        "domain": "a.b",
    }
    rollout, _ = rollout_of(row, "f:1", mapping)
    assert (rollout.task.prompt, rollout.completion, rollout.task.ground_truth) == ("q", "r", [1])
    assert rollout.task.domain == "math"


def test_an_empty_struct_on_the_way_is_an_empty_value() -> None:
    row = {**ROW, "reward_model": None}
    assert task_of(row, "f:1", {"ground_truth": "reward_model.ground_truth"}).ground_truth is None


def test_chat_messages_lose_the_keys_that_parquet_added() -> None:
    padded = [{"role": "user", "content": "hi", "name": None}, {"role": "assistant", "content": None, "name": "x"}]
    expected = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "name": "x"}]
    assert task_of({"prompt": padded}, "f:1").prompt == expected


@pytest.mark.parametrize(
    ("row", "mapping", "message"),
    [
        (
            {"prompt": "q", "response": "r"},
            {},
            "f.jsonl:3: has no column 'completion' (there: prompt, response); did you mean 'response'? "
            'Say --map completion=response, or `columns = { completion = "response" }` in a run file',
        ),
        ({"problem": "q", "completion": "r"}, {}, "did you mean 'problem'?"),
        ({"promt": "q", "completion": "r"}, {}, "did you mean 'promt'?"),
        ({}, {}, "(there: none)"),
        (ROW, {"completion": "respnse"}, "has no column 'respnse'"),
        (ROW, {"domain": "ability"}, "has no column 'ability'"),
        (ROW, {"completon": "completion"}, "'completon' is none of guerdon's columns; did you mean 'completion'?"),
        ({**ROW, "completion": None}, {}, "completion is None; it must be text"),
        ({"q": 3, "completion": ""}, {"prompt": "q"}, "prompt (column 'q') is 3; it must be text, or a list of"),
        ({**ROW, "prompt": []}, {}, "prompt is []"),
        ({**ROW, "prompt": [{"role": "user"}]}, {}, "it must be text, or a list of messages"),
        ({**ROW, "prompt": [{"content": "x"}]}, {}, "it must be text, or a list of messages"),
        ({**ROW, "prompt": ["x"]}, {}, "it must be text, or a list of messages"),
        ({**ROW, "domain": 3}, {}, "domain is 3; it must be text"),
        ({**ROW, "id": True}, {}, "id is True; it must be text or a whole number"),
        ({**ROW, "id": 1.5}, {}, "id is 1.5"),
        ({**ROW, "group": {}}, {}, "group is {}"),
        ({**ROW, "truncated": "yes"}, {}, "truncated is 'yes'; it must be true or false"),
        ({**ROW, "truncated": 2}, {}, "truncated is 2"),
        ({**ROW, "truncated": []}, {}, "truncated is []"),
        ({**ROW, "metadata": [1]}, {}, "metadata is [1]; it must be an object"),
        ({**ROW, "metadata": "{"}, {}, "metadata is '{'; it must be an object, or its JSON text (Expecting"),
        ({**ROW, "metadata": "[1]"}, {}, "metadata is [1]"),
        ({**ROW, "prefill": 1}, {}, "prefill is 1; it must be text"),
    ],
)
def test_every_mistake_names_the_column_and_the_way_out(
    row: dict[str, Any], mapping: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        rollout_of(row, "f.jsonl:3", mapping)
    assert str(caught.value).startswith("f.jsonl:3: ")
    assert message in str(caught.value)


def test_a_long_wrong_value_is_shown_shortened() -> None:
    with pytest.raises(DataError) as caught:
        task_of({"prompt": list(range(10_000))}, "f:1")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("value", [True, 1, "true", "True", "1", " TRUE "])
def test_truncated_is_read_in_every_usual_form(value: object) -> None:
    assert rollout_of({**ROW, "truncated": value}, "f:1")[0].truncated is True


@pytest.mark.parametrize("value", [False, 0, None, "", "false", "0"])
def test_not_truncated_is_read_in_every_usual_form(value: object) -> None:
    assert rollout_of({**ROW, "truncated": value}, "f:1")[0].truncated is False


def test_a_csv_row_with_empty_cells_is_a_whole_rollout(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    header = ["id", "prompt", "completion", "ground_truth", *sorted(ROLLOUT_COLUMNS.keys() - {"id", "prompt"})]
    header = list(dict.fromkeys(header))
    cells = {"prompt": "q", "completion": "", "ground_truth": '"4"', "truncated": "0"}
    lines = [",".join(header), ",".join('"' + cells.get(name, "").replace('"', '""') + '"' for name in header)]
    path.write_text("\n".join(lines))
    [(_, row)] = read_rows(path)
    rollout, group = rollout_of(row, "a.csv:2")
    assert (rollout.completion, rollout.task.ground_truth, group) == ("", '"4"', None)
    assert (rollout.task.domain, rollout.task.language, rollout.task.metadata) == (None, None, {})


def test_metadata_may_be_the_text_of_an_object() -> None:
    assert task_of({**ROW, "metadata": ' {"a": [1]} '}, "f:1").metadata == {"a": [1]}
    assert task_of({**ROW, "metadata": "  "}, "f:1").metadata == {}


def test_a_whole_number_that_became_a_float_is_still_a_name() -> None:
    assert task_of({**ROW, "id": 12.0}, "f:1").id == "12"
    assert task_of({**ROW, "id": 0}, "f:1").id == "0"


def test_the_rows_of_trl_are_understood() -> None:
    mapping = PRESETS["trl"]
    assert task_of({"prompt": MESSAGES, "solution": "4"}, "f:1", mapping).ground_truth == "4"
    assert task_of({"prompt": "2+2?", "answer": "4"}, "f:1", mapping).ground_truth == "4"
    assert task_of({"prompt": "2+2?", "ground_truth": "4", "solution": "so 4"}, "f:1", mapping).ground_truth == "4"
    assert task_of({"prompt": "hi"}, "f:1", mapping).ground_truth is None


def test_the_rows_of_verl_are_understood() -> None:
    row = {
        "data_source": "openai/gsm8k",
        "prompt": MESSAGES,
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "4"},
        "extra_info": {"split": "train", "index": 0},
    }
    task = task_of(row, "f:1", PRESETS["verl"])
    assert (task.prompt, task.ground_truth, task.domain) == (MESSAGES, "4", "math")
    assert task.metadata == {"split": "train", "index": 0}
    with pytest.raises(DataError, match=r"has no column 'reward_model\.ground_truth'"):
        task_of({"prompt": MESSAGES}, "f:1", PRESETS["verl"])


def test_the_rows_of_openrlhf_are_understood() -> None:
    task = task_of({"input": "2+2?", "label": "4"}, "f:1", PRESETS["openrlhf"])
    assert (task.prompt, task.ground_truth) == ("2+2?", "4")


def test_every_task_column_is_a_rollout_column() -> None:
    assert TASK_COLUMNS.items() <= ROLLOUT_COLUMNS.items()
    assert {name for preset in PRESETS.values() for name in preset} <= TASK_COLUMNS.keys()


KEYS = st.sampled_from([*ROLLOUT_COLUMNS, "other"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content"]), inner, max_size=3)
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(KEYS, VALUES))
def test_any_row_is_a_rollout_or_a_data_error(row: dict[str, Any]) -> None:
    try:
        rollout, _ = rollout_of(row, "f:1")
    except DataError:
        return
    assert isinstance(rollout.completion, str)
    json.dumps(vars(rollout.task))


def test_json_is_read_to_a_depth_and_no_deeper() -> None:
    assert parse("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(ValueError, match="nested"):
        parse("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))
    assert len(parse("[" + "[]," * 1000 + "[]]")) == 1001


def test_numpy_values_become_json() -> None:
    import numpy

    values = {"a": numpy.int64(1), "b": numpy.array([[1.5]]), 3: {numpy.float32(0.5)}, "t": (1,)}
    assert plain(values) == {"a": 1, "b": [[1.5]], "3": [0.5], "t": [1]}
