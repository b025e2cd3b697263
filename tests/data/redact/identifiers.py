"""Identifiers made for the tests: valid ones of every kind by hand or by chance, and invalid ones. None is anybody's."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

DIGITS, CAPITALS = string.digits, string.ascii_uppercase


def luhn_digit(front: str) -> str:
    """The digit behind `front` by which Luhn's sum is divisible by ten: tried out, not computed as the package does."""
    for last in DIGITS:
        number, total = front + last, 0
        for place, c in enumerate(reversed(number)):
            total += sum(map(int, str(int(c) * (1 + place % 2))))
        if total % 10 == 0:
            return last
    raise AssertionError


def wrong_digit(number: str, at: int = -1) -> str:
    """The number with one digit changed; every scheme here notices that."""
    at %= len(number)
    return number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]


def some(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


def date(rng: random.Random, order: str = "ymd") -> str:
    parts = {"y": f"{rng.randrange(100):02}", "m": f"{rng.randrange(1, 13):02}", "d": f"{rng.randrange(1, 29):02}"}
    return "".join(parts[p] for p in order)


def card(rng: random.Random) -> str:
    begin, length = rng.choice(
        [("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3566", 16), ("36", 14), ("62", 19), ("4", 13)]
    )
    while True:
        front = begin + some(rng, DIGITS, length - len(begin) - 1)
        number = front + luhn_digit(front)
        # A thirteen-digit Visa that is an article number as well needs a word beside it.
        if length != 13 or sum(int(c) * (1 + 2 * (i % 2)) for i, c in enumerate(number)) % 10:
            break
    if length == 16 and rng.random() < 0.5:
        by = rng.choice(" -")
        return by.join(number[i : i + 4] for i in range(0, 16, 4))
    return number


IBAN_FORMS = {
    "DE": "n" * 18,
    "GB": "aaaa" + "n" * 14,
    "FR": "n" * 10 + "c" * 11 + "nn",
    "NO": "n" * 11,
    "MT": "aaaa" + "n" * 5 + "c" * 18,
}


def iban(rng: random.Random) -> str:
    country = rng.choice(sorted(IBAN_FORMS))
    signs = {"n": DIGITS, "a": CAPITALS, "c": DIGITS + CAPITALS}
    body = "".join(rng.choice(signs[c]) for c in IBAN_FORMS[country])
    for check in range(2, 99):
        # By long division, sign by sign.
        rest = 0
        for c in body + country + f"{check:02}":
            for digit in str(int(c, 36)):
                rest = (rest * 10 + int(digit)) % 97
        if rest == 1:
            number = f"{country}{check:02}{body}"
            return " ".join(number[i : i + 4] for i in range(0, len(number), 4)) if rng.random() < 0.5 else number
    raise AssertionError


def email(rng: random.Random) -> str:
    name = rng.choice(["{a}.{b}", "{a}_{b}9", "{a}+{b}", "{a}", "{a}-{b}%", "o'{a}"]).format(
        a=some(rng, string.ascii_lowercase, 5), b=some(rng, string.ascii_letters, 4)
    )
    return (
        name.rstrip("%")
        + "@"
        + some(rng, string.ascii_lowercase, 6)
        + rng.choice([".com", ".co.uk", ".example.org", ".de", ".io"])
    )


def phone(rng: random.Random) -> str:
    area, exchange, rest = (
        rng.choice("2345678") + rng.choice("012345678") + rng.choice("2345"),
        "5" + some(rng, "0234", 2),
        some(rng, DIGITS, 4),
    )
    return rng.choice(
        [
            f"({area}) {exchange}-{rest}",
            f"{area}-{exchange}-{rest}",
            f"+1 {area} {exchange} {rest}",
            f"+49 30 {some(rng, '12345678', 1)}{some(rng, DIGITS, 6)}",
            f"+44 20 7946 0{some(rng, DIGITS, 3)}",
            f"0033 6 {some(rng, DIGITS, 2)} 12 87 90",
            f"+91 98{some(rng, DIGITS, 3)} {some(rng, DIGITS, 5)}",
        ]
    )


def ip(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    groups = [f"{rng.randrange(1, 65536):x}" for _ in range(8)]
    return rng.choice(
        [":".join(["2001", "db8", *groups[2:]]), f"2001:db8::{groups[0]}", f"fe80::{groups[1]}:{groups[2]}"]
    )


def mac(rng: random.Random) -> str:
    pairs = [f"{rng.randrange(128) * 2:02x}", *(f"{rng.randrange(256):02x}" for _ in range(5))]
    pairs[1] = "1c"
    return rng.choice(
        [
            ":".join(pairs),
            "-".join(pairs).upper(),
            "".join(pairs[:2]) + "." + "".join(pairs[2:4]) + "." + "".join(pairs[4:]),
        ]
    )


def url_login(rng: random.Random) -> str:
    return f"{some(rng, string.ascii_lowercase, 5)}:{some(rng, string.ascii_letters + '!$-_', 9)}"


def api_key(rng: random.Random) -> str:
    letters = string.ascii_letters + DIGITS
    return rng.choice(
        [
            "AKIA" + some(rng, CAPITALS + "234567", 14) + "Q7",
            "ghp_" + some(rng, letters, 34) + "a7",
            "sk-proj-" + some(rng, letters, 46) + "b3",
            "xoxb-" + some(rng, DIGITS, 12) + "-" + some(rng, letters, 22) + "c4",
            "AIza" + some(rng, letters + "_-", 33) + "x5",
            "eyJhbGciOiJIUzI1NiJ9.eyJ" + some(rng, letters, 30) + "." + some(rng, letters + "_-", 41) + "e8",
            "sk_live_" + some(rng, letters, 22) + "d2",
            "glpat-" + some(rng, letters, 18) + "f6",
        ]
    )


def secret(rng: random.Random) -> str:
    return (
        some(rng, string.ascii_lowercase, 3)
        + some(rng, DIGITS, 4)
        + some(rng, string.ascii_letters, 11)
        + some(rng, DIGITS, 4)
    )


MAKERS: dict[str, tuple[Callable[[random.Random], str], str]] = {
    "card": (card, "I paid with {} yesterday"),
    "iban": (iban, "please send it to {} today"),
    "email": (email, "write to {} soon"),
    "phone": (phone, "you reach me under {} all day"),
    "ip": (ip, "a visit from {} at night"),
    "mac": (mac, "the device {} was seen"),
    "url_login": (url_login, "clone https://{}@code.example.org/a.git first"),
    "api_key": (api_key, "it runs with {} for now"),
    "secret": (secret, "set api_key={} before"),
}
"""Kind to a maker of valid identifiers, and a sentence to plant them in."""

# How numbers of states look, as they are written: 9 a digit, A a letter, {..} a part made for it.
NATIONAL = {
    "au_tfn": ("999 999 999", "my TFN is {}"),
    "be_national_number": ("{yy.mm.dd}-999.99", "{}"),
    "bg_egn": ("{yymmdd}9999", "ЕГН {}"),
    "br_cpf": ("999.999.999-99", "{}"),
    "ca_sin": ("999 999 999", "SIN: {}"),
    "ch_ahv": ("756.9999.9999.99", "{}"),
    "cl_rut": ("99.999.999-9", "RUT {}"),
    "cn_resident_id": ("110105{yyyymmdd}9999", "{}"),
    "cz_birth_number": ("{yymmdd}/9999", "{}"),
    "de_tax_id": ("99999999999", "{}"),
    "dk_cpr": ("{ddmmyy}-9999", "CPR-nr. {}"),
    "es_dni": ("99999999A", "{}"),
    "fi_hetu": ("{ddmmyy}-999A", "{}"),
    "fr_nir": ("1 99 08 99 999 999 99", "{}"),
    "hr_oib": ("99999999999", "OIB: {}"),
    "ie_pps": ("9999999A", "PPSN {}"),
    "il_id": ("999999999", "Israeli ID {}"),
    "in_aadhaar": ("9999 9999 9999", "{}"),
    "in_pan": ("AAAPA9999A", "{}"),
    "it_fiscal_code": ("AAAAAA99H99A999A", "{}"),
    "jp_my_number": ("9999 9999 9999", "My Number {}"),
    "kr_rrn": ("{yymmdd}-9999999", "{}"),
    "mx_curp": ("AAAA{yymmdd}HDFBBB99", "{}"),
    "nl_bsn": ("999999999", "BSN {}"),
    "no_fnr": ("{ddmmyy} 99999", "{}"),
    "pl_pesel": ("{yymmdd}99999", "{}"),
    "pt_nif": ("999999999", "NIF: {}"),
    "ro_cnp": ("1{yymmdd}129999", "{}"),
    "se_personnummer": ("{yymmdd}-9999", "{}"),
    "sg_nric": ("S9999999A", "{}"),
    "th_id": ("9-9999-99999-99-9", "{}"),
    "tr_tckn": ("99999999999", "{}"),
    "uk_nhs": ("999 999 9999", "NHS number {}"),
    "uk_nino": ("AA 99 99 99 A", "{}"),
    "us_itin": ("999-99-9999", "{}"),
    "us_ssn": ("999-99-9999", "{}"),
    "za_id": ("{yymmdd}9999099", "{}"),
}


def shaped(rng: random.Random, shape: str) -> str:
    """A random number of a shape, valid or not."""
    two = [f"{rng.randrange(below):02}" for below in (100, 12, 28)]
    day = {"y": two[0], "m": f"{int(two[1]) + 1:02}", "d": f"{int(two[2]) + 1:02}"}
    for form in ("yyyymmdd", "yymmdd", "ddmmyy", "yy.mm.dd"):
        made = (
            form.replace("yyyy", "19" + day["y"])
            .replace("yy", day["y"])
            .replace("mm", day["m"])
            .replace("dd", day["d"])
        )
        shape = shape.replace("{" + form + "}", made.translate({ord(a): b for a, b in zip(DIGITS, "⁰¹²³⁴⁵⁶⁷⁸⁹")}))
    made = "".join(
        rng.choice(DIGITS)
        if c == "9"
        else rng.choice(CAPITALS)
        if c == "A"
        else rng.choice("BCDFG")
        if c == "B" and "HDF" in shape
        else c
        for c in shape
    )
    return made.translate({ord(b): a for a, b in zip(DIGITS, "⁰¹²³⁴⁵⁶⁷⁸⁹")})
