import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from guerdon import Mixture, Outcome, Rollout, Score, Task, Term
from guerdon_reasoning_gym import ReasoningGym, ReasoningGymTasks
from guerdon_reasoning_gym.reward import extract_answer

REWARD = ReasoningGym()
WITHOUT_ANSWER = {"boxnet", "rush_hour"}
ARITHMETIC = ("puzzle24", "countdown", "simple_integration", "intermediate_integration", "polynomial_multiplication")
LITERALS = ("string_insertion", "spiral_matrix", "binary_matrix", "n_queens", "number_sorting")


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return list(ReasoningGymTasks(size=2, seed=11))


@pytest.fixture(scope="module")
def mixture() -> Iterator[Mixture]:
    with Mixture([Term("gym", REWARD)], workers=2) as mixture:
        yield mixture


def scores(mixture: Mixture, rollouts: Sequence[Rollout]) -> list[Score]:
    return [total.terms["gym"].score for total in mixture.submit(rollouts).result()]


def own(task: Task) -> str:
    answer = REWARD.canonical(task)
    assert answer is not None
    return answer


def of(name: str, tasks: Sequence[Task]) -> Task:
    return next(task for task in tasks if task.metadata["dataset"] == name)


def test_every_dataset_gives_full_marks_to_its_own_answer(mixture: Mixture, tasks: list[Task]) -> None:
    assert len({task.metadata["dataset"] for task in tasks}) >= 105
    provable = [task for task in tasks if REWARD.canonical(task) is not None]
    assert len({task.metadata["dataset"] for task in provable} | WITHOUT_ANSWER) >= 105
    judged = scores(mixture, [Rollout(task, f"<think>hm</think>So: {own(task)}") for task in provable])
    assert [score.reason for score in judged if score.value != 1] == []


def test_the_answer_of_another_task_does_not_pay(mixture: Mixture, tasks: list[Task]) -> None:
    by_name = defaultdict(list)
    for task in tasks:
        if REWARD.canonical(task) is not None:
            by_name[task.metadata["dataset"]].append(task)
    crossed = [
        Rollout(task, own(other))
        for group in by_name.values()
        for task in group
        for other in group
        if own(task).lower() != own(other).lower()
    ]
    paid = Counter(
        rollout.task.metadata["dataset"]
        for rollout, score in zip(crossed, scores(mixture, crossed), strict=True)
        if score.value == 1
    )
    # Another's conclusion may follow from one's own premises too, and another's queens may stand well.
    assert paid.keys() <= {"propositional_logic", "n_queens"}


CONSTANTS = [
    "nan",
    "-nan",
    "nan+nanj",
    "inf",
    "1e999",
    "0.0/0.0",
    "0",
    "1",
    "True",
    "x",
    "8*3*1*1",
    "[]",
    "{}",
    "[NaN]",
]
FEW_ANSWERS = 10
"""Tasks of a dataset; not all of them have the same answer."""


def test_no_constant_answer_pays_on_every_task_of_a_dataset(mixture: Mixture) -> None:
    names = ("coin_flip", "complex_arithmetic", "game_of_life_halting", "puzzle24", "countdown", "decimal_arithmetic")
    tasks = list(ReasoningGymTasks(names=names, size=FEW_ANSWERS, seed=1))
    rollouts = [Rollout(task, f"<answer>{word}</answer>") for task in tasks for word in CONSTANTS]
    paid = Counter(
        (rollout.task.metadata["dataset"], rollout.completion)
        for rollout, score in zip(rollouts, scores(mixture, rollouts), strict=True)
        if score.value is not None and score.value >= 0.9
    )
    assert [key for key, count in paid.items() if count == FEW_ANSWERS] == []


def test_nothing_that_is_no_number_pays_in_any_dataset(mixture: Mixture, tasks: list[Task]) -> None:
    words = ["nan", "NaN, NaN", "(nan, nan)", "[nan]", "nan + nani", "inf", "-inf", "1e999", "zoo", "oo - oo"]
    rollouts = [Rollout(task, f"<answer>{word}</answer>") for task in tasks for word in words]
    assert [score.reason for score in scores(mixture, rollouts) if score.value is None or score.value >= 0.9] == []


HOSTILE = [
    "",
    " ",
    "\ud800",
    "\0",
    "9**9**9**9",
    "__import__('os').kill(__import__('os').getppid(), 9)",
    "[" * 5000,
    "(" * 100_000,
    "1+" * 100_000 + "1",
    "x" * (1 << 20),
    "<answer>" * 100_000,
    "</answer>" * 100_000 + "<answer>",
    "1e400",
    "nan",
    "[[[[1]]]]",
    '{"a": {"b": null}}',
]


@pytest.mark.slow
def test_hostile_answers_get_a_score_from_every_dataset(mixture: Mixture, tasks: list[Task]) -> None:
    rollouts = [
        Rollout(task, f"<answer>{text}</answer>")
        for name in sorted({task.metadata["dataset"] for task in tasks})
        for task in [of(name, tasks)]
        for text in HOSTILE
    ]
    judged = scores(mixture, rollouts)
    assert {score.outcome for score in judged} == {Outcome.SCORED}
    assert [score for score in judged if score.value is not None and score.value >= 1] == []


@pytest.mark.parametrize("name", [*ARITHMETIC, *LITERALS, "bitwise_arithmetic"])
def test_no_answer_is_run_as_code(mixture: Mixture, tasks: list[Task], tmp_path: Path, name: str) -> None:
    trace = tmp_path / "was-here"
    attacks = [
        f"__import__('pathlib').Path({str(trace)!r}).touch()",
        f"[open({str(trace)!r}, 'w')]",
        f"exec('import pathlib; pathlib.Path({str(trace)!r}).touch()')",
        f"open({str(trace)!r}, 'w') or 24",
        f"().__class__.__base__.__subclasses__() and open({str(trace)!r}, 'w')",
    ]
    judged = scores(mixture, [Rollout(of(name, tasks), f"<answer>{attack}</answer>") for attack in attacks])
    assert all(score.value is not None and score.value < 1 for score in judged)
    assert not trace.exists()


def test_no_ground_truth_is_run_as_code(mixture: Mixture, tasks: list[Task], tmp_path: Path) -> None:
    trace = tmp_path / "was-here"
    code = f"open({str(trace)!r}, 'w')"
    sum_ = of("bitwise_arithmetic", tasks).ground_truth
    integral = of("simple_integration", tasks).ground_truth
    forged = [
        {**sum_, "metadata": {**sum_["metadata"], "problem": code}},
        {**integral, "metadata": {**integral["metadata"], "integrand": code}},
    ]
    for truth in forged:
        scores(mixture, [Rollout(Task("t", "q", truth), "<answer>1</answer>")])
    assert not trace.exists()


CODE_IS_RUN = {"eval", "exec", "parse_expr", "sympify", "S", "__import__"}
KNOWN = {
    # replaced in scorer.READERS
    **dict.fromkeys(
        ["algorithmic/string_insertion", "algorithmic/spiral_matrix", "algorithmic/number_sorting"], "read"
    ),
    **dict.fromkeys(["algorithmic/binary_matrix", "games/n_queens", "games/puzzle24", "games/countdown"], "read"),
    **dict.fromkeys(["algebra/simple_integration", "algebra/intermediate_integration"], "read"),
    **dict.fromkeys(["algebra/polynomial_multiplication", "arithmetic/bitwise_arithmetic"], "read"),
    # only ever run what the library itself wrote, while it makes tasks
    **dict.fromkeys(["code/codeio", "arithmetic/basic_arithmetic"], "generates"),
    **dict.fromkeys([f"arithmetic/gsm_symbolic/generators_{part}" for part in ("00_49", "50_99")], "generates"),
    # a parser of its own, of the same name
    "logic/propositional_logic": "reads",
}


def test_no_other_module_of_the_library_runs_text_as_code() -> None:
    spec = find_spec("reasoning_gym")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(spec.submodule_search_locations[0])
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in CODE_IS_RUN:
                found.add(str(path.relative_to(root).with_suffix("")))
    assert found == KNOWN.keys()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("4", "4"),
        (" 4\n", "4"),
        ("so <answer> 4 </answer>.", "4"),
        ("<answer>3</answer> no, <answer>4</answer>", "4"),
        ("<answer>3 <answer>4</answer>", "4"),
        ("<answer>4", "<answer>4"),
        ("4</answer>", "4</answer>"),
        ("<answer></answer>", ""),
        ("", ""),
    ],
)
def test_the_answer_is_in_the_last_tags_or_all_there_is(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


def test_an_answer_in_the_thinking_alone_earns_nothing(mixture: Mixture, tasks: list[Task]) -> None:
    task = of("gcd", tasks)
    [open_, thought] = scores(
        mixture, [Rollout(task, f"<think>{own(task)}"), Rollout(task, f"<think>{own(task)}</think>")]
    )
    assert (open_.value, thought.value) == (0, 0)
    assert open_.reason == "there is no answer"


def test_the_reason_says_what_was_given_and_what_was_expected(mixture: Mixture, tasks: list[Task]) -> None:
    task = of("gcd", tasks)
    [score] = scores(mixture, [Rollout(task, "<answer>-7</answer>")])
    assert score.reason == f"gcd gives 0 for '-7'; its own answer is {task.ground_truth['answer']!r}"


def test_where_nothing_is_the_right_answer_empty_tags_pay_and_silence_does_not(mixture: Mixture) -> None:
    task = next(task for task in ReasoningGymTasks(names=("ab",), size=300) if task.ground_truth["answer"] == "")
    [tags, silence] = scores(mixture, [Rollout(task, own(task)), Rollout(task, "")])
    assert (tags.value, silence.value) == (1, 0)


def test_copying_the_question_into_an_integral_does_not_pay(mixture: Mixture) -> None:
    made = ReasoningGymTasks(names=("intermediate_integration",), size=20)
    task = next(task for task in made if "Integral(" in task.ground_truth["answer"])
    assert REWARD.canonical(task) is None
    copied = f"Integral({task.ground_truth['metadata']['integrand']}, x)"
    assert [score.value for score in scores(mixture, [Rollout(task, copied)])] == [0]


def test_an_answer_without_tags_counts(mixture: Mixture, tasks: list[Task]) -> None:
    task = of("gcd", tasks)
    [score] = scores(mixture, [Rollout(task, task.ground_truth["answer"])])
    assert score.value == 1


@pytest.mark.parametrize(
    ("truth", "outcome"),
    [
        ("4", Outcome.BAD_GROUND_TRUTH),
        ({"dataset": "gcd"}, Outcome.BAD_GROUND_TRUTH),
        (
            {"dataset": "no-such", "config": {}, "question": "q", "answer": "4", "metadata": {}},
            Outcome.BAD_GROUND_TRUTH,
        ),
        (
            {"dataset": "gcd", "config": {"no": 1}, "question": "q", "answer": "4", "metadata": {}},
            Outcome.BAD_GROUND_TRUTH,
        ),
        ({"dataset": "maze", "config": {}, "question": "q", "answer": None, "metadata": {}}, Outcome.SCORED),
    ],
)
def test_a_broken_ground_truth_is_not_the_completions_fault(mixture: Mixture, truth: Any, outcome: Outcome) -> None:
    [score] = scores(mixture, [Rollout(Task("t", "q", truth), "<answer>4</answer>")])
    assert score.outcome is outcome
