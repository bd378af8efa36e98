"""The reward as a plug: its options, its reasons, and what it cannot judge."""

import pytest
from pydantic import ValidationError

from guerdon import BadGroundTruth, Outcome, Rollout, Task
from guerdon_language import LanguageConsistency
from guerdon_language.codes import canonical_code, target_code

MIXED = "We add them and we are done. 把两个方程相加就得到答案。"


def rollout(language: str | None = "zh", thinking: str = MIXED) -> Rollout:
    return Rollout(Task("1", "?", language=language), f"<think>{thinking}</think>The answer is four.")


def test_the_reason_counts_words_by_language() -> None:
    score = LanguageConsistency().verify(rollout())
    assert score.outcome is Outcome.SCORED
    assert score.reason == "7 of 14 words are zh; others: en 7"
    assert score.evidence == {"target": "zh", "words": {"en": 7, "zh": 7}}
    assert score.value == 7 / 14


def test_only_the_thinking_is_judged_unless_the_scope_is_the_completion() -> None:
    assert LanguageConsistency().verify(rollout("en", "We add them.")).value == 1
    assert LanguageConsistency().verify(rollout("zh", "把两个方程相加。")).value == 1
    judged = LanguageConsistency(scope="completion").verify(rollout("zh", "把两个方程相加。"))
    assert judged.reason.endswith("others: en 4")
    assert (
        LanguageConsistency(scope="completion").verify(Rollout(Task("1", "?", language="en"), "Four it is.")).value == 1
    )


def test_an_unclosed_and_a_prefilled_thinking_are_judged() -> None:
    task = Task("1", "?", language="en")
    assert LanguageConsistency().verify(Rollout(task, "<think>We add them and", truncated=True)).value == 1
    assert LanguageConsistency().verify(Rollout(task, "We add them.</think>Four", prefill="<think>\n")).value == 1


def test_the_language_of_the_task_comes_before_the_option() -> None:
    assert LanguageConsistency(language="en").verify(rollout("zh", "We add them.")).value == 0
    assert LanguageConsistency(language="en").verify(rollout(None, "We add them.")).value == 1


def test_a_task_without_a_language_cannot_be_judged() -> None:
    with pytest.raises(BadGroundTruth, match="set the option `language`"):
        LanguageConsistency().verify(rollout(None))


def test_an_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(
        BadGroundTruth, match=r"'englsh' is no language that can be told; did you mean 'english'\? .*zh"
    ):
        LanguageConsistency().verify(rollout("englsh"))
    with pytest.raises(ValidationError, match="'xx' is no language"):
        LanguageConsistency(language="xx")


@pytest.mark.parametrize("name", ["zh", "zh-CN", "zh_Hant_TW", "ZH", "Chinese", "chinese", "cmn", "zho", " zh "])
def test_a_language_has_many_names(name: str) -> None:
    assert target_code(name) == "zh"
    assert canonical_code(name) == "zh"


def test_languages_that_cannot_be_told_apart_count_alike() -> None:
    croatian = "Najprije moramo izračunati zbroj kutova, a zatim ćemo ih oduzeti."
    for language in ("hr", "sr", "bs"):
        assert LanguageConsistency().verify(rollout(language, croatian)).value == 1


def test_both_detectors_know_a_language_without_function_words_of_ours() -> None:
    zulu = "Kuva ukuthi isamba samakhona sikhulu kakhulu kunesibalo sokuqala esisibhale ekuqaleni kwalo msebenzi."
    for detector in ("lingua", "langdetect"):
        assert LanguageConsistency(detector=detector).verify(rollout("en", zulu)).value == 0
    assert LanguageConsistency().verify(rollout("zu", zulu)).value == 1
