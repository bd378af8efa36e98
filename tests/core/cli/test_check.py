"""guerdon check FILE."""

import pytest

QUIZ = '[tasks]\nuse = "right"\n\n[rewards.quiz]\nuse = "right"\n'


def cells(out: str, term: str) -> list[str]:
    return next(line for line in out.splitlines() if line.startswith(f"{term} ")).split()


def test_a_run_file_without_tasks_is_checked_and_nothing_is_said_to_be_proved(place):
    place.write("mix.toml", '[rewards.quiz]\nuse = "right"\n')
    ended = place.guerdon("check", "mix.toml")
    assert ended.returncode == 0
    assert "Nothing was proved" in ended.stdout


def test_what_has_no_canonical_completion_is_told_from_what_is_proved(place):
    place.write("mix.toml", QUIZ)
    ended = place.guerdon("check", "mix.toml")
    assert ended.returncode == 0
    assert cells(ended.stdout, "quiz") == ["quiz", "right", "3", "2", "1", "0"]


def test_every_task_whose_own_truth_fails_is_named_with_the_reason(place):
    place.write("mix.toml", QUIZ)
    ended = place.guerdon("check", "mix.toml", "--set", "tasks.third=crooked")
    assert ended.returncode == 1
    assert "FAILED quiz: task 3 (id q2): the task's own truth earns 0: right returned " in ended.stdout
    assert cells(ended.stdout, "quiz") == ["quiz", "right", "3", "2", "0", "1"]
    assert "1 failures" not in ended.stdout


def test_a_truth_of_the_wrong_type_is_named(place):
    place.write("mix.toml", QUIZ)
    place.rollouts([{"prompt": "p", "ground_truth": "4"}, {"prompt": "q", "ground_truth": 4}])
    ended = place.guerdon("check", "mix.toml", "--tasks", "rollouts.jsonl")
    assert ended.returncode == 1
    assert "rollouts.jsonl:2" in ended.stdout
    assert "Input should be a valid string, got 4" in ended.stdout


def test_a_rollouts_file_names_each_task_once(place):
    place.write("mix.toml", QUIZ)
    rows = [{"id": f"{n}", "question": f"{n // 4}", "ground_truth": "x", "completion": f"{n}"} for n in range(20)]
    place.rollouts(rows)
    out = place.guerdon("check", "mix.toml", "--tasks", "rollouts.jsonl", "--map", "prompt=question").stdout
    assert cells(out, "quiz")[2:4] == ["5", "5"]


def test_no_more_tasks_are_proved_than_asked_for(place):
    place.write("mix.toml", QUIZ)
    assert cells(place.guerdon("check", "mix.toml", "--limit", "2").stdout, "quiz")[2] == "2"


def test_tasks_that_no_weighted_term_covers_are_failures(place):
    terms = '\n[rewards.logged]\nuse = "echo"\nweight = 0\n'
    place.write("mix.toml", QUIZ + 'domains = ["math"]\n' + terms)
    ended = place.guerdon("check", "mix.toml")
    assert ended.returncode == 1
    assert "3 tasks of domain 'quiz' (the first: task 1 (id q0)): no weighted term covers them" in ended.stdout


@pytest.mark.parametrize("use", ["hostile-canonical", "inline"])
def test_a_verifier_is_proved_where_it_runs(place, use):
    place.write("mix.toml", f'[rewards.one]\nuse = "{use}"\n')
    place.rollouts([{"prompt": "p", "ground_truth": truth} for truth in ("fine", "wrong", "broken")])
    ended = place.guerdon("check", "mix.toml", "--tasks", "rollouts.jsonl")
    assert cells(ended.stdout, "one")[2:] == ["3", "1", "0", "2"]
    assert "rollouts.jsonl:2" in ended.stdout
    assert "KeyError: 'this truth has no key'" in ended.stdout


def test_a_reward_that_compares_a_group_is_asked_for_any_score(place):
    place.write("mix.toml", '[rewards.length]\nuse = "longest"\n')
    place.rollouts([{"prompt": "p"}])
    ended = place.guerdon("check", "mix.toml", "--tasks", "rollouts.jsonl")
    assert ended.returncode == 0
    assert cells(ended.stdout, "length")[2:] == ["1", "0", "1", "0"]


def test_a_reward_that_cannot_be_opened_is_one_clear_error(place):
    place.write("mix.toml", '[rewards.one]\nuse = "unopenable"\n')
    place.rollouts([{"prompt": "p"}])
    ended = place.guerdon("check", "mix.toml", "--tasks", "rollouts.jsonl")
    assert ended.returncode == 2
    assert "no such model: nowhere" in ended.stderr


def test_every_mistake_of_a_run_file_is_named_with_its_path_and_a_suggestion(place):
    place.write(
        "mix.toml",
        'sead = 1\n[rewards.one]\nuse = "right"\nstrickt = false\nwieght = 2\n'
        '[rewards.two]\nuse = "rigth"\n[rewards.three]\nuse = "described"\npath = "x"\nshare = "half"\nweight = nan\n'
        '[rewards.four]\nuse = "echo"\ndomains = "math"\ngate = 1\n[tasks]\nuse = "right"\nthird = 3\n',
    )
    complaint = place.complaint("check", "mix.toml")
    for said in (
        "error: mix.toml: ",
        "sead: no such table or key; did you mean 'seed'?",
        "rewards.one.strickt: no such option; did you mean 'strict'?",
        "rewards.one.wieght: no such option; did you mean 'weight'?",
        "rewards.two.use: no reward is named 'rigth'; did you mean 'right'?",
        "rewards.three.share: input should be a valid number, got 'half'",
        "rewards.three.weight: is a finite number, got nan",
        "rewards.four.domains: ",
        "rewards.four.gate: is true or false, got 1",
        "tasks.third: input should be a valid string, got 3",
    ):
        assert said in complaint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rewards.one\n", "is not TOML"),
        ("", "rewards: there is none"),
        ('[rewards.one]\nuse = "echo"\nweight = 0\n', "every weight is 0"),
        ("rewards = 3\n", "rewards: is a table of rewards, got 3"),
        ('[rewards.one]\nweight = 1\n', 'rewards.one.use: says which reward to use'),
    ],
)  # fmt: skip
def test_a_run_file_that_says_nothing_useful_is_one_clear_error(place, text, said):
    place.write("mix.toml", text)
    assert said in place.complaint("check", "mix.toml")


def test_a_run_file_that_is_not_there_or_not_text_is_one_clear_error(place):
    assert "does not exist" in place.complaint("check", "nowhere.toml")
    (place / "mix.toml").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in place.complaint("check", "mix.toml")
    assert "cannot be read" in place.complaint("check", ".")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("rewards.quiz", "is not of the form KEY=VALUE"),
        ("rewards.quiz.strict=maybe", "rewards.quiz.strict: input should be a valid boolean, got 'maybe'"),
        ("rewards.quizz.strict=true", "rewards.quizz.use: says which reward to use"),
        ("seed.x=1", "'seed'"),
    ],
)
def test_an_override_that_will_not_do_is_one_clear_error(place, override, said):
    place.write("mix.toml", "seed = 3\n" + QUIZ)
    assert said in place.complaint("check", "mix.toml", "--set", override)


def test_failures_that_repeat_are_counted_after_the_first_ten(place):
    place.write("mix.toml", QUIZ)
    place.rollouts([{"prompt": f"{n}", "ground_truth": n} for n in range(25)])
    ended = place.guerdon("check", "mix.toml", "--tasks", "rollouts.jsonl")
    assert ended.stdout.count("FAILED quiz") == 10
    assert "… and 15 more of quiz" in ended.stdout
    assert "25 failures" in ended.stdout


def test_a_term_whose_domains_fit_no_task_is_loudly_named(place):
    place.write("mix.toml", QUIZ + '[rewards.typo]\nuse = "right"\ndomains = ["quizz"]\n')
    ended = place.guerdon("check", "mix.toml")
    assert ended.returncode == 0
    assert "rewards.typo: its domains (quizz) fit no task; there are: quiz; did you mean 'quiz'?" in ended.stderr


def test_one_is_one_and_what_cannot_be_proved_is_no_failure(place):
    place.write("mix.toml", QUIZ)
    place.rollouts([{"prompt": "p", "ground_truth": "no such thing"}])
    ended = place.guerdon("check", "mix.toml", "--tasks", "rollouts.jsonl")
    assert ended.stdout.startswith("1 different task\n")
    assert "cannot be proved: no failure; " in ended.stdout
    assert ended.stdout.endswith("0 failures\n")
