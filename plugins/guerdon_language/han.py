"""Chinese or Japanese: whose Han characters these are."""

from collections.abc import Iterator, Sequence

from guerdon_language.scripts import SENTENCE, Token

HEADING = 6
"""Han characters that are too few to say anything by themselves."""


def name_han(found: Sequence[Token], languages: list[str | None], target: str) -> None:
    """Write the language of each Han token of a text into `languages`.

    Han is Japanese in a sentence with kana and Chinese elsewhere. But a sentence of Chinese may quote a kana or two, so
    below a tenth of kana its Han is Chinese; a Japanese heading may have none, so a few Han characters alone go with
    the sentences around; and a run with a character that only one of the two writes (这, 込) belongs to that one.
    """
    sentences = list(_sentences(found))
    names = [_by_kana([found[i] for i in sentence]) for sentence in sentences]
    settled = next((name for name in names if name), "ja" if target == "ja" else "zh")
    for name, sentence in zip(names, sentences, strict=True):
        settled = name or settled
        for i in sentence:
            if found[i].script == "han":
                languages[i] = _by_characters(found[i].text) or settled


def _sentences(found: Sequence[Token]) -> Iterator[list[int]]:
    """The places of the Han and kana tokens of each sentence that has some."""
    sentence: list[int] = []
    for i, token in enumerate(found):
        if token.gap == SENTENCE and sentence:
            yield sentence
            sentence = []
        if token.script in {"han", "kana"}:
            sentence.append(i)
    if sentence:
        yield sentence


def _by_kana(sentence: Sequence[Token]) -> str | None:
    """The language of a sentence by its share of kana, None if it is too short to tell."""
    han = sum(len(token.text) for token in sentence if token.script == "han")
    kana = sum(len(token.text) for token in sentence) - han
    if not kana and han <= HEADING:
        return None
    return "ja" if kana * 9 >= han else "zh"


def _by_characters(run: str) -> str | None:
    """The language whose character set has all of a run, if only one has."""
    if not _encodes(run, "shift_jis"):
        return "zh"
    return None if _encodes(run, "gb2312") or _encodes(run, "big5") else "ja"


def _encodes(run: str, charset: str) -> bool:
    try:
        run.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
