"""guerdon train and guerdon recipe: what is asked of them, before anything is trained."""

import signal
import tomllib

RECIPE = '# Nothing much.\npolicy = "checkpoint"\n'
OFFERS = """
from pathlib import Path
from guerdon import hookimpl

@hookimpl
def register_recipes(register):
    register(Path(__file__).parent / "nothing-much.toml")
"""


def offering(place, name="a-recipe", module="offering"):
    place.install(name, module, OFFERS)
    (place / "site" / "nothing-much.toml").write_text(RECIPE)


def test_a_recipe_is_listed_and_printed_as_it_was_written(place):
    offering(place)
    line = next(line for line in place.guerdon("plugins").stdout.splitlines() if " nothing-much " in line)
    assert line.split() == ["recipe", "nothing-much", "Nothing", "much.", "offering", "a-recipe", "1.0"]
    printed = place.guerdon("recipe", "nothing-much")
    assert (printed.returncode, printed.stdout) == (0, RECIPE)


def test_a_misspelt_recipe_is_named(place):
    for command in "recipe", "train":
        ended = place.guerdon(command, "r1-zeero")
        assert ended.returncode == 2
        assert "did you mean 'r1-zero'?" in ended.stderr


def test_two_recipes_of_one_name_are_an_error_that_names_both(place):
    offering(place)
    offering(place, "another", "other")
    ended = place.guerdon("train", "nothing-much")
    assert ended.returncode == 2
    assert "a-recipe" in ended.stderr
    assert "another" in ended.stderr


def test_a_recipe_that_is_no_file_is_a_broken_plugin(place):
    place.install("a-recipe", "offering", OFFERS)
    ended = place.guerdon("plugins")
    assert ended.returncode == 1
    assert "nothing-much.toml does not exist" in ended.stdout


def test_every_recipe_of_ours_is_a_run_file(place):
    for name in "r1-zero", "cold-start-rl":
        assert tomllib.loads(place.guerdon("recipe", name).stdout)["stages"]


def test_a_file_without_a_trainer_cannot_be_trained(place):
    place.write("mix.toml", '[rewards.length]\nuse = "slow"\n')
    ended = place.guerdon("train", "mix.toml")
    assert ended.returncode == 2
    assert "trainer: there is none" in ended.stderr


def test_what_contradicts_itself_is_refused(place):
    ended = place.guerdon("train", "r1-zero", "--resume", "--overwrite")
    assert ended.returncode == 2
    assert "contradict each other" in ended.stderr


def test_there_must_be_a_run_to_resume(place):
    ended = place.guerdon("train", "r1-zero", "--resume")
    assert ended.returncode == 2
    assert "runs/r1-zero: holds no run that could be resumed" in ended.stderr


PATIENT = """
import sys, time
from guerdon import Policy, Trainer, hookimpl

class Nothing(Policy):
    name = "nothing"
    def checkpoint(self, workdir, start=None):
        return workdir

class Patient(Trainer):
    name = "patient"
    requires = ("policy",)
    def fit(self, run):
        for step in run.journal.steps(3):
            print("begun", file=sys.stderr, flush=True)
            time.sleep(50)

@hookimpl
def register_policies(register):
    register(Nothing)

@hookimpl
def register_trainers(register):
    register(Patient)
"""


def test_who_presses_ctrl_c_twice_is_gone_at_once_and_knows_how_to_go_on(place):
    place.install("a-trainer", "patience", PATIENT)
    place.write("slow.toml", 'policy = "nothing"\n[trainer]\nuse = "patient"\n')
    process = place.start("train", "slow.toml", "--set", "seed=3")
    said = iter(process.stderr.readline, "")
    assert any(line == "begun\n" for line in said)
    process.send_signal(signal.SIGINT)
    assert any("Ctrl-C again leaves at once" in line for line in said)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert rest.endswith("guerdon train slow.toml --set seed=3 --resume\n")
    assert "Traceback" not in rest
