"""Redacting: the three modes, keys, names by a model, what may never leak, and that time stays linear."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identifiers import MAKERS, NATIONAL, shaped

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.redact import KINDS, Found, NamesByModel, Phone, Redactor, find, kinds_named
from tailorlm.data.redact._draw import Draw, laid_over
from tailorlm.data.redact._view import View

KEY = "correct horse battery staple"
MODES = ("mask", "pseudonym", "drop")


def sentences(seed, count):
    """Texts full of identifiers, valid and not, glued and not."""
    rng = random.Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(rng.randrange(1, 6)):
            if rng.random() < 0.5:
                make, sentence = rng.choice(sorted(MAKERS.items()))[1]
                parts.append(rng.choice([sentence, "{}"]).format(make(rng)))
            else:
                shape, sentence = rng.choice(sorted(NATIONAL.items()))[1]
                parts.append(sentence.format(shaped(rng, shape)))
        yield rng.choice([" ", ", ", "", "-", "\n", " call "]).join(parts)


PIECES = st.one_of(
    st.sampled_from(
        [
            "4111 1111 1111 1111",
            "DE89370400440532013000",
            "a@b.com",
            "+49 30 1234567",
            "password: ",
            "SSN ",
            "call ",
            "1",
            "22",
            "0",
            "7",
            "@",
            ".",
            "-",
            " ",
            ":",
            "/",
            "(",
            ")",
            "<",
            ">",
            "x",
            "é",
            "\u200b",
            "�",
            "١",
            "４",
            "44051401359",
            "8.8.8.8",
            "://u:p1@h.de",
            "AKIAIOSFODNN7EXAMPLE",
            "<CARD>",
            "00:1A:2B:3C:4D:5E",
            "(0)",
            "eyJ",
            "\n",
            "日本",
        ]
    ),
    st.text(max_size=4),
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)


@settings(max_examples=80, deadline=None)
@given(TEXTS)
def test_finds_are_in_order_without_overlap_and_inside(text):
    found = find(text)
    assert all(0 <= f.start < f.end <= len(text) for f in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(MODES))
def test_twice_is_once_for_any_text(text, mode):
    redactor = Redactor(mode=mode, key=KEY)
    once, counts = redactor.apply(text)
    assert redactor.apply(once) == (once, {})
    assert find(once) == []
    assert (once == text) == (not counts)


@pytest.mark.parametrize("mode", MODES)
def test_twice_is_once_for_texts_full_of_identifiers(mode):
    redactor, seen = Redactor(mode=mode, key=KEY), 0
    for text in sentences(mode, 80):
        once, counts = redactor.apply(text)
        seen += sum(counts.values())
        assert redactor.apply(once) == (once, {})
        for each in find(text):
            assert text[each.start : each.end] not in once or text[each.start : each.end].isalpha()
    assert seen > 80


def test_mask_says_the_kind():
    text = "Mail a@b.com or call +49 30 1234567."
    assert Redactor().apply(text) == ("Mail <EMAIL> or call <PHONE>.", {"email": 1, "phone": 1})


def test_drop_takes_one_blank_with_it():
    drop = Redactor(mode="drop")
    assert drop.apply("Mail a@b.com now")[0] == "Mail now"
    assert drop.apply("a@b.com now")[0] == "now"
    assert drop.apply("Mail: a@b.com")[0] == "Mail: "
    assert drop.apply("(a@b.com)")[0] == "()"


def test_drop_does_not_join_what_stood_apart():
    text = "4111 a@b.com 1111 1111 1111"
    assert find(Redactor(mode="drop").apply(text)[0]) == []


def test_nothing_found_is_the_very_text():
    for text in ("", " ", "plain words", "\ud800", "😀", "\0", "a" * 10_000):
        for mode in MODES:
            assert Redactor(mode=mode, key=KEY).apply(text) == (text, {})


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_pseudonyms_are_equal_within_a_key_and_other_under_another(kind):
    make, sentence = MAKERS[kind]
    rng = random.Random(kind)
    one, other = Redactor(mode="pseudonym", key=KEY), Redactor(mode="pseudonym", key=KEY + "!")
    results = set()
    for _ in range(30):
        value = make(rng)
        text = sentence.format(value)
        result = one.apply(text)[0]
        assert value not in result
        assert result == Redactor(mode="pseudonym", key=KEY.encode()).apply(text)[0]
        assert result != other.apply(text)[0]
        assert result.count("<") == 0
        results.add(result)
    assert len(results) == 30


def test_pseudonyms_keep_the_form():
    apply = lambda text: Redactor(mode="pseudonym", key=KEY).apply(text)[0]  # noqa: E731
    assert apply("a.b@c.com").endswith(".invalid")
    assert apply("4111 1111 1111 1111")[:4] == "0000"
    assert [len(part) for part in apply("4111 1111 1111 1111").split()] == [4, 4, 4, 4]
    assert apply("DE89 3704 0044 0532 0130 00").startswith("DE00 ")
    assert apply("+49 30 1234567").startswith("+99 9")
    assert apply("(415) 555-2671")[2] == "9"
    assert apply("8.8.8.80").split(".")[0] in {str(n) for n in range(240, 256)}
    assert apply("2001:db8::1").startswith("3fff:")
    assert apply("SSN 536-90-4399")[4:7] in {"000", "666"}
    assert apply("NI AB123456C").startswith("NI QQ")
    assert apply("AKIAIOSFODNN7EXAMPLE").startswith("AKIAREDACTED")


def test_two_writings_of_one_value_are_one_person():
    apply = lambda text: Redactor(mode="pseudonym", key=KEY).apply(text)[0]  # noqa: E731
    digits = lambda text: "".join(c for c in text if c.isdigit())  # noqa: E731
    assert apply("A@B.com") == apply("a@b.COM") == apply("a (at) b (dot) com") == apply("a@b dot com")
    assert digits(apply("4111 1111 1111 1111")) == apply("4111111111111111")
    assert digits(apply("+49 (0)30 1234567"))[:10] == digits(apply("+49 30 1234567"))[:10]
    assert apply("２００１:db8::1") == apply("2001:0DB8::0001")


def test_names_by_a_model():
    def model(texts):
        return [[(t.index("Ada"), t.index("Ada") + 9, "B-PER"), (0, 2, "LOC")] if "Ada" in t else [] for t in texts]

    names = NamesByModel(model)
    assert Redactor([], names=names).apply_all(["I am Ada Byron.", "none"]) == [
        ("I am <PERSON>.", {"person": 1}),
        ("none", {}),
    ]
    redactor = Redactor(["email"], "pseudonym", KEY, names=names)
    text, counts = redactor.apply("I am Ada Byron, ada@b.com")
    assert counts == {"person": 1, "email": 1}
    assert "Ada" not in text
    assert "Byron" not in text
    assert redactor.apply(text) == (text, {})

    def whole(texts):
        return [[(0, len(t), "PER")] for t in texts]

    redactor = Redactor([], "pseudonym", KEY, names=NamesByModel(whole))
    full, last = redactor.apply("Ada BYRON")[0], redactor.apply("byron")[0]
    assert full.split()[1] == last.upper()
    assert redactor.apply(full) == (full, {})
    assert Redactor([], names=NamesByModel(whole)).apply("<PERSON>") == ("<PERSON>", {})
    assert Redactor([], "pseudonym", KEY, names=NamesByModel(whole)).apply("12345")[0] == "<PERSON>"


def test_a_model_that_answers_wrongly_is_told_without_the_text():
    for answer in ([], [[(0, 99, "PER")]], [[(3, 1, "PER")]]):
        with pytest.raises(TailorError) as error:
            Redactor([], names=NamesByModel(lambda texts, answer=answer: answer)).apply("Ada Byron")
        assert "Ada" not in str(error.value)


def test_nothing_shows_values_or_the_key():
    redactor = Redactor(mode="pseudonym", key=KEY)
    shown = repr(redactor) + repr(find("a@b.com")) + repr(Draw(KEY.encode(), "v", "a@b.com"))
    assert KEY not in shown
    assert "a@b.com" not in shown
    assert set(Found.__slots__) == {"kind", "start", "end"}


def test_settings_are_refused_in_words():
    with pytest.raises(UsageError, match="pseudonyms need a key"):
        Redactor(mode="pseudonym")
    with pytest.raises(UsageError, match="too short") as error:
        Redactor(mode="pseudonym", key="sesame-1")
    assert "sesame" not in str(error.value)
    with pytest.raises(UsageError, match="no such way"):
        Redactor(mode="hide")
    with pytest.raises(UsageError, match=r"(?s)no kind of identifier called 'emial'.*'email'"):
        find("x", ["emial"])
    with pytest.raises(UsageError, match="list of names"):
        find("x", "email")


def test_kinds_by_name_group_and_part():
    assert [k.name for k in kinds_named(["phone", "email", "email"])] == ["email", "phone"]
    assert len(kinds_named(["national_id"])) == 37
    assert len(kinds_named()) == len(KINDS) == 46
    mine = Phone()
    assert kinds_named(["phone", mine]) == (mine,)


def test_laid_over_keeps_what_is_not_a_place():
    assert laid_over("(1) 23", "987") == "(9) 87"
    assert laid_over("1-2", "9876") == "9-876"


def test_draws_are_even_and_differ():
    draw = Draw(b"key", "x")
    counts = [0] * 10
    for _ in range(5000):
        counts[draw.below(10)] += 1
    assert min(counts) > 400
    assert Draw(b"key", "ab", "c").some("01", 64) != Draw(b"key", "a", "bc").some("01", 64)


HOSTILE = {
    "letters": "a" * 1_000_000,
    "digits": "1" * 1_000_000,
    "fours": "4" * 1_000_000,
    "digits and blanks": "1 " * 500_000,
    "card starts": "4111 1111 1111 1112 " * 50_000,
    "groups": "1234 " * 200_000,
    "nines": "123456782 " * 100_000,
    "elevens": "44051401350 " * 83_000,
    "at signs": "@" * 1_000_000,
    "a@": "a@" * 500_000,
    "mail": "a.b@c." * 160_000,
    "points": "1." * 500_000,
    "colons": ":" * 1_000_000,
    "hex": "ab:" * 333_000,
    "ab12": "DE12 " * 200_000,
    "de": "DE893704004405320130 " * 47_000,
    "links": "://" * 333_000,
    "logins": "://a:b" * 160_000,
    "eyJ": "eyJaaaaaaaaaa." * 70_000,
    "keys": "sk-" * 333_000,
    "password": "password " * 110_000,
    "password=": "password=a1" * 90_000,
    "token_": "token_" * 160_000,
    "dots": "a." * 500_000,
    "brackets": "a (at) " * 140_000,
    "spoken": "a@b dot " * 120_000,
    "at dot": "a AT b DOT " * 90_000,
    "plus": "+1" * 500_000,
    "parens": "(1" * 500_000,
    "phone": "phone " * 160_000,
    "zero width": "4\u200b" * 500_000,
    "pem": "-----BEGIN RSA PRIVATE KEY-----" * 32_000,
    "letters and digits": "AB12" * 250_000,
    "curp": "ABCD12" * 160_000,
    "masks": "<CARD>" * 160_000,
    "lower than": "<" * 1_000_000,
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_lines_take_linear_time(name):
    """Four times the text takes about four times as long, and a megabyte less than a quarter of a minute."""
    times = []
    for size in (5_000, 20_000):
        start = time.process_time()
        find(HOSTILE[name][:size])
        times.append(time.process_time() - start)
    assert times[1] < 8 * max(times[0], 0.02)
    assert times[1] < 0.3


def test_the_view_has_the_length_it_should():
    text = "x\u200b１２\u00a0<CARD>３"
    view = View(text)
    assert view.text == "x12 \n\n\n\n\n\n3"
    assert view.original(1, 3) == (2, 4)
