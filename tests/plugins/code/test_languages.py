"""C, C++, and languages that a run file brings."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from guerdon import GuerdonError, Mixture, RunFileError, Sandbox, Score, Term
from guerdon.options import build
from guerdon_code import UnitTests

Judged = Callable[..., Score]
Truth = Callable[..., Mapping[str, Any]]

CPP = "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b << std::endl; }"
C = (
    "#include <stdio.h>\n#include <math.h>\n"
    'int main(void) { double a, b; scanf("%lf %lf", '
    '&a, &b); printf("%.0f\\n", floor(a + b)); }'
)
PERL = {"perl": {"file": "main.pl", "run": ["perl", "main.pl"]}}


@pytest.mark.parametrize(("language", "program"), [("cpp", CPP), ("c", C)])
def test_compiled_programs_pass(judged: Judged, stdio: Truth, language: str, program: str) -> None:
    truth = stdio(("1 2", "3"), ("10 -7", "3"), language=language)
    assert judged(program, truth).reason == "all 2 cases pass"
    assert judged(program.replace("a + b", "a - b"), truth).reason == "case 1 of 2: expected '3', got '-1'"


def test_what_does_not_compile_is_told_the_first_error(judged: Judged, stdio: Truth) -> None:
    score = judged("int main() { return x; }", stdio(("", ""), language="cpp"))
    assert score.value == 0
    assert score.reason.startswith("it does not compile: program.cpp:1:21: error: ")


def test_a_compiler_that_never_ends_is_ended(judged: Judged, stdio: Truth) -> None:
    endless = {"x": {"file": "x", "compile": ["sh", "-c", "while :; do :; done"], "binary": "y", "run": ["./y"]}}
    truth = stdio(("", ""), language="x")
    score = judged("x", truth, languages=endless, sandbox={"use": "process", "timeout": 1})
    assert score.value == 0
    assert score.reason.startswith(("it does not compile: it used up its 1 s", "it does not compile: it was not done"))


def test_a_program_is_compiled_once_and_each_case_gets_the_binary(judged: Judged, stdio: Truth) -> None:
    """The compiler stamps the time into what it makes."""
    nanoseconds = {
        "file": "main.sh",
        "compile": ["sh", "-c", "date +%N > stamp"],
        "binary": "stamp",
        "run": ["cat", "stamp"],
    }
    cases = stdio(*[("", "x")] * 3, language="stamped")
    score = judged("ignored", cases, languages={"stamped": nanoseconds}, partial=True)
    first = score.reason.partition("got ")[2]
    assert first.strip("'").strip().isdigit()
    counted = {**nanoseconds, "compile": ["sh", "-c", "cp main.sh stamp; ls | grep -c stamp >> stamp"]}
    assert judged("7", stdio(("", "7 1"), ("", "7 1"), language="stamped"), languages={"stamped": counted}).value == 1


def test_another_language_is_a_file_and_a_command(judged: Judged, stdio: Truth) -> None:
    truth = stdio(("1 2\n", "3"), language="perl")
    program = "my ($a, $b) = split ' ', <STDIN>;\nprint $a + $b, \"\\n\";"
    assert judged(program, truth, languages=PERL).value == 1
    assert judged(program.replace("+", "-"), truth, languages=PERL).reason == "expected '3', got '-1'"


def test_another_language_may_have_a_sandbox_of_its_own(judged: Judged, stdio: Truth) -> None:
    """Its time is shorter here, so that one can tell whose limits hold."""
    quick = {"perl": {**PERL["perl"], "sandbox": {"use": "process", "timeout": 1}}}
    truth = stdio(("", "3"), language="perl")
    assert judged("print 3", truth, languages=quick).value == 1
    assert "its 1 s of CPU time" in judged("1 while 1", truth, languages=quick).reason


def test_python_may_be_run_in_another_way(judged: Judged, stdio: Truth) -> None:
    isolated = {"python": {"file": "it.py", "run": ["python3", "-I", "it.py"]}}
    truth = stdio(("", "it.py 1"))
    assert judged("import sys\nprint(sys.argv[0], sys.flags.isolated)", truth, languages=isolated).value == 1


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ({"file": "a.rs"}, "rewards.code.languages.x.run: is required"),
        ({"file": "a.rs", "run": ["./a"], "compile": ["rustc", "a.rs"]}, "`compile` and `binary` go together"),
        ({"file": "a.rs", "run": "./a"}, "rewards.code.languages.x.run: "),
        ({"file": "a.rs", "run": ["./a"], "image": "rust"}, "rewards.code.languages.x.image: no such option"),
        ({"file": "a.rs", "run": ["./a"], "sandbox": "dokcer"}, "did you mean 'docker'?"),
        ({"file": "a.rs", "run": []}, "rewards.code.languages.x.run: "),
        ({"file": "../a.rs", "run": ["./a"]}, "languages.x.file: value error, is no path inside of a directory"),
    ],
)
def test_mistakes_in_a_run_file_are_named(language: dict[str, Any], says: str) -> None:
    from guerdon import Reward

    with pytest.raises(RunFileError) as error:
        build(Reward, {"use": "unit-tests", "sandbox": "process", "languages": {"x": language}}, "rewards.code")
    assert says in str(error.value)


def test_a_command_that_is_not_there_is_an_error_at_the_start() -> None:
    perl = {"file": "main.pl", "run": ["prel", "main.pl"]}
    mixture = Mixture([Term("code", UnitTests(sandbox="process", languages={"perl": perl}))])  # type: ignore[arg-type]
    with pytest.raises(GuerdonError, match=r"languages\.perl\.run: 'prel' is not to be found in the sandbox 'process'"):
        mixture.open()


def test_its_options_survive_a_round_trip() -> None:
    from guerdon import Reward

    options = {
        "use": "unit-tests",
        "sandbox": {"use": "process", "timeout": 3.0},
        "languages": {"perl": {**PERL["perl"], "sandbox": "process"}},
    }
    plug = build(Reward, options, "rewards.code")
    again = build(Reward, {"use": plug.name, **plug.model_dump(mode="json")}, "rewards.code")
    assert again == plug
    assert isinstance(vars(again)["languages"]["perl"].sandbox, Sandbox)
