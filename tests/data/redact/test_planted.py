"""Thirty planted identifiers of each kind: all valid ones found to the character, invalid cards and IBANs not."""

import random

import pytest
from identifiers import MAKERS, card, email, iban, some, wrong_digit

from tailorlm.data.redact import KINDS, TABLE, Phone, Redactor, find
from tailorlm.data.redact._checks import ean, luhn, mod_11_10, mod_97, verhoeff


def values(text, kinds=None):
    return [(f.kind, text[f.start : f.end]) for f in find(text, kinds)]


def test_every_kind_is_planted():
    assert len(TABLE) == 9
    assert set(MAKERS) == set(TABLE)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_thirty_valid_ones_are_found(kind):
    make, sentence = MAKERS[kind]
    rng = random.Random(kind)
    for _ in range(30):
        value = make(rng)
        text = sentence.format(value)
        assert values(text, [kind]) == [(kind, value)]
        # Among all kinds the place may get another name, never be missed.
        assert any(value in found or found in value for _, found in values(text))
        cleaned, counts = Redactor().apply(text)
        assert value not in cleaned
        assert sum(counts.values()) >= 1


def test_invalid_cards_and_ibans_are_not_found():
    rng = random.Random(1)
    for _ in range(30):
        wrong_card = wrong_digit(card(rng))
        assert values(f"I paid with {wrong_card} yesterday", ["card"]) == []
        number = iban(rng)
        wrong_iban = number[:2] + f"{(int(number[2:4]) + 1) % 100:02}" + number[4:]
        assert values(f"please send it to {wrong_iban} today", ["iban"]) == []


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (luhn, "4111111111111111"),
        (luhn, "79927398713"),
        (verhoeff, "2363"),
        (verhoeff, "234123412346"),
        (mod_11_10, "86095742719"),
        (ean, "4006381333931"),
    ],
)
def test_check_digits_by_hand(check, good):
    assert check(good)
    for at in range(len(good)):
        assert not check(wrong_digit(good, at))


def test_mod_97_by_hand():
    # ISO 13616's own example: GB82 WEST 1234 5698 7654 32.
    assert mod_97("WEST12345698765432GB82")
    assert not mod_97("WEST12345698765432GB83")


def test_cards_are_told_by_issuer_and_length():
    assert values("4111111111111111", ["card"]) == [("card", "4111111111111111")]
    for text in (
        "0000000000000000",
        "9111111111111111 is nobody's",
        "41111111111111110",  # a digit more
        "411111111111111",
        "4006381333931",  # an article number of thirteen digits, issued in Germany
        "0.4111111111111111",
        "4111111111111111.5",
        "a1f4111111111111111",
        "00004111111111111111",
        "1234-4111-1111-1111-1111",
    ):
        assert values(text, ["card"]) == [], text
    assert values("paid by Visa 4222222222222", ["card"]) == [("card", "4222222222222")]


@pytest.mark.parametrize(
    "text",
    [
        "card4111111111111111now",
        "4111 1111 1111 1111",
        "1234 4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\u00a01111\u202f1111\u20071111",
        "４１１１１１１１１１１１１１１１",
        "٤١١١١١١١١١١١١١١١",
        "41\u200b111111111111\u00ad11",
        "[12,4111111111111111]",
        "我的卡4111111111111111是",
        "4️⃣111111111111111",
    ],
)
def test_digits_of_all_scripts_and_separators(text):
    assert [kind for kind, _ in values(text, ["card"])] == ["card"]


def test_unicode_offsets_cover_the_value_as_written():
    text = "😀 pay 41\u200b11 1111 1111\u00a01111\u200b, 日本 x@é.fr"
    assert values(text, ["card", "email"]) == [("card", "41\u200b11 1111 1111\u00a01111"), ("email", "x@é.fr")]


def test_ibans():
    assert values("IBANDE89370400440532013000and", ["iban"]) == [("iban", "DE89370400440532013000")]
    assert values("gb29 nwbk 6016 1331 9268 19", ["iban"])[0][0] == "iban"
    assert values("DE8937040044053201300", ["iban"]) == []
    assert values("DE893704004405320130000", ["iban"]) == []
    assert values("XX89370400440532013000", ["iban"]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<a@b.com>", ["a@b.com"]),
        ("mailto:a.b@c.com?subject=x", ["a.b@c.com"]),
        ("?to=a.b%40c.com&x=1", ["a.b%40c.com"]),
        ("a@b.com.Then we left", ["a@b.com"]),
        ("请联系foo@example.com谢谢", ["foo@example.com"]),
        ("用户@例子.公司", ["用户@例子.公司"]),
        ("müller@exämple.de", ["müller@exämple.de"]),
        ("foo＠example.com", ["foo＠example.com"]),
        ("jo [at] host [dot] org, jo(at)host.org", ["jo [at] host [dot] org", "jo(at)host.org"]),
        ("jo AT host DOT org", ["jo AT host DOT org"]),
        ("add sam@mail dot com, or jo @ host dot co dot uk.", ["sam@mail dot com", "jo @ host dot co dot uk"]),
        ("look @ amazon, dot com is over", []),
        ("a@b.com,c@d.org;e@f.net", ["a@b.com", "c@d.org", "e@f.net"]),
        ("'a@b.com'", ["a@b.com"]),
        ("look at amazon dot com", []),
        ("icon@2x.png", []),
        ("@app.route and x@y", []),
        ("a@b.mean()", []),
        ("meet me @ home.Now", []),
        ("user@x.invalid", []),
        ("a@@b.com", []),
        ("@", []),
    ],
)
def test_emails(text, found):
    assert [value for _, value in values(text, ["email"])] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call me at 5551234", ["5551234"]),
        ("Tel.: 030/1234567", ["030/1234567"]),
        ("Tel. 030 / 1234567", ["030 / 1234567"]),
        ("free: 1-800-411-1222", ["1-800-411-1222"]),
        ("owed 26356633.19", []),
        ("+1 415 555 2671 ext 22", ["+1 415 555 2671 ext 22"]),
        ("+1-415-555-2671x22!", ["+1-415-555-2671x22"]),
        ("06.12.34.56.78", ["06.12.34.56.78"]),
        ("(020) 7946 0958", ["(020) 7946 0958"]),
        ("tel:+442079460958", ["+442079460958"]),
        ("01 02 03 04 05", []),
        ("in 2019 and 2020-05-06", []),
        ("call 2020-05-06", []),
        ("1234567", []),
        ("+999 30 1234567", []),
        ("(291) 555-1234", []),
        ("12345-67890-1234567", []),
        ("ISBN 978-3-16-148410-0", []),
        ("192.168.100.200", []),
        ("XM_005084522.3", []),
    ],
)
def test_phones_by_our_own_rule(text, found):
    assert [value for _, value in values(text, ["phone"])] == found


def test_phones_by_region():
    pytest.importorskip("phonenumbers")
    german = Phone(regions=["de"])
    assert values("ruf 0171 1234567 an", [german]) == [("phone", "0171 1234567")]
    assert values("ruf 0171 1234567 an", ["phone"]) == []
    assert values("half \ud800 0171 1234567", [german]) == [("phone", "0171 1234567")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from 8.8.8.8:53 and 10.0.0.1/8", ["8.8.8.8", "10.0.0.1"]),
        ("addr:2001:db8::1, [fe80::1%eth0]", ["2001:db8::1", "fe80::1"]),
        ("::ffff:8.8.8.8", ["::ffff:8.8.8.8"]),
        ("version 1.2.3.4, v1.2.3.4, section 4.1.2.3", []),
        ("1.2.3.4.5 and 256.1.1.1 and 1.2.3", []),
        ("127.0.0.1 ::1 :: 255.255.255.0 224.0.0.1", []),
        ("Chrome/120.0.0.88 bowtie2/2.3.3.1", []),
        ("5.2.3.2 If the parties", []),
        ("10.0.0.1-10.0.0.9", ["10.0.0.1", "10.0.0.9"]),
        ("DNS 8.8.8.8, 10.0.0.1", ["8.8.8.8", "10.0.0.1"]),
        ("x[1::2] in 1980::2 or 3115::", []),
        ("std::vector a::b 12:30:45 1:2", []),
    ],
)
def test_network_addresses(text, found):
    assert [value for _, value in values(text, ["ip"])] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("password: hunter2", ["hunter2"]),
        ("Das Passwort ist Gl0cke!7", ["Gl0cke!7"]),
        ('{"client_secret": "9f8a7b6c5d4e3f2a1b0c"}', ["9f8a7b6c5d4e3f2a1b0c"]),
        ("Authorization: Bearer 9f8a7b6c5d4e3f2a1b0c", ["9f8a7b6c5d4e3f2a1b0c"]),
        (
            "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYzzzz12345678",
            ["wJalrXUtnFEMIK7MDENGbPxRfiCYzzzz12345678"],
        ),
        ("password is required", []),
        ("password is secret123", ["secret123"]),
        ("password = new_password2", []),
        ("password = os.environ['X1']", []),
        ("token = token2id", []),
        ("api_key=${API_KEY_1234567890}", []),
        ("the secret of 1234567890123456", []),
        ("password: <SECRET>", []),
    ],
)
def test_secrets_beside_a_word(text, found):
    assert [value for _, value in values(text, ["secret"])] == found


def test_private_keys_go_as_a_whole():
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nabc==\n-----END RSA PRIVATE KEY-----"
    assert values(f"x {key} y", ["api_key"]) == [("api_key", key)]
    cut = key[: key.index("-----END")]
    assert values(f"x {cut}", ["api_key"]) == [("api_key", cut)]


def test_words_that_look_like_keys_are_left():
    for text in (
        "sk-learn-compatible-estimators-are-nice",
        "hf_transformers",
        "AKIA",
        "key-value-store-for-everything",
    ):
        assert values(text, ["api_key"]) == []


def test_links_keep_their_host():
    text = "https://bob:hunter2@example.org/x"
    assert values(text) == [("url_login", "bob:hunter2")]
    assert Redactor().apply(text)[0] == "https://<URL_LOGIN>@example.org/x"
    assert values("https://${USER}:${PASSWORD}@h.org and http://h.org:80/a@b") == []


def test_mac_addresses():
    assert values("00:1A:2B:3C:4D:5E", ["mac"]) != []
    for text in (
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "01:00:5e:00:00:fb",
        "00:1A:2B:3C:4D:5E:6F",
        "1234.5678.9012",
    ):
        assert values(text, ["mac"]) == [], text


def test_an_overlap_becomes_one_find():
    rng = random.Random(3)
    value = some(rng, "ab1", 10) + email(rng)
    text = f"password={value}"
    (only,) = find(text)
    assert text[only.start : only.end] in (value, value.rstrip("%"))


def test_kinds_have_names_and_cards():
    for name in KINDS:
        part = KINDS.get(name)
        assert part.name == name
