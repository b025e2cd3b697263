"""What BM25 counts: the words of a text in any script, and pairs of signs where words have no blanks between them."""

from __future__ import annotations

from tailorlm.data.near.words import placed_words, stands_alone, words


def terms(text: str) -> list[str]:
    """The terms of a text, in order: folded words (case, width, Unicode form), every one of them, none left out or stemmed.

    Where a script writes no blanks (Chinese, Japanese, Thai, ...) a term is each sign and each pair of neighbours, so that a query
    of one sign finds something and one of two finds the word. Korean words come whole and as pairs, since particles cling to them.
    Punctuation and underscores part words; numbers are words. There is no list of stop words: common words weigh little by
    themselves in BM25, and "it", "us" and "the who" stay findable.

    >>> terms("Überweisung: 東京駅")
    ['überweisung', '東', '東京', '京', '京駅', '駅']
    """
    if text.isascii():
        return words(text)
    found: list[str] = []
    placed = placed_words(text)
    for i, (word, _, end) in enumerate(placed):
        found.append(word)
        if stands_alone(word):
            after = placed[i + 1] if i + 1 < len(placed) else None
            if after is not None and after.start == end and stands_alone(after.word):
                found.append(word + after.word)
        elif len(word) > 2 and _hangul(word):
            found += [word[j : j + 2] for j in range(len(word) - 1)]
    return found


def _hangul(word: str) -> bool:
    return all("\uac00" <= sign <= "\ud7a3" for sign in word)
