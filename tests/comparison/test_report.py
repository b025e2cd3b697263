import copy
import itertools
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_fixture import HOSTILE, edge_scores, fail, hostile, make, no_cost_at_all

from tailorlm.comparison.report import COLUMNS, format, render_html, render_markdown, summary_rows, write
from tailorlm.comparison.report.render import plain
from tailorlm.comparison.report.view import view, way_rows
from tailorlm.core.yaml import parse_yaml
from tailorlm.evaluation.wording import metric_title, metric_words

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}


class Page(HTMLParser):
    """What a browser would find: elements in order, their attributes, the text, and whether all are closed in turn."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.open, self.rows = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, *tags):
        return [attrs for tag, attrs in self.elements if tag in tags]

    @property
    def words(self):
        return "".join(self.text)


def equal_scores():
    result = make(ways=5, labels=3)
    for way in result["ways"]:
        way["scores"]["accuracy"].update(value=0.5, low=0.5, high=0.5)
        way["cost"]["fit_seconds"] = 60.0
    return result


def bare():
    """The least that still is a comparison: every key that may be missing is missing."""
    ways = [
        {"name": "a", "status": "ok", "scores": {"accuracy": {"value": 0.5}}},
        {"name": "b", "status": "ok", "scores": {}},
    ]
    return {
        "ways": ways,
        "metric": {"name": "accuracy"},
        "best": "a",
        "recommended": "a",
        "reason": "It is the only one.",
    }


def gone(result, *keys):
    for key in keys:
        result[key] = [] if isinstance(result[key], list) else None
    return result


def all_failed():
    result = fail(fail(make(ways=2), "lora"), "full")
    return gone(
        result, "best", "recommended", "reason", "per_label", "confusion", "most_confused", "disagreements", "all_wrong"
    )


def not_finite():
    result = make(ways=3, labels=3)
    result["ways"][0]["search"][0][0].update(loss=math.nan, score=-math.inf)
    result["ways"][1]["scores"]["macro_f1"]["value"] = math.nan
    return result


def long_names():
    result = make(labels=12)
    result["title"] = "x" * 500
    result["confusion"]["labels"] = [
        f"a very long name of a label that goes on for ever {i} 日本語" * 3 for i in range(12)
    ]
    for way in result["ways"]:
        way["title"] += " with a title that is much longer than any picture has room for"
    for row in result["disagreements"]:
        row.update(text="word " * 20_000, gold="x" * 3000)
    return result


EDGES = {
    "full": make,
    "one way": lambda: make(ways=1, labels=6),
    "two labels": lambda: make(ways=3, labels=2),
    "77 labels, 3 seeds": lambda: make(labels=77, seeds=3),
    "a failed way": lambda: fail(make(seeds=2), "lora"),
    "all failed": all_failed,
    "scores 0 and 1": edge_scores,
    "no cost": no_cost_at_all,
    "equal": equal_scores,
    "nothing to show": lambda: gone(
        make(), "disagreements", "all_wrong", "per_label", "confusion", "most_confused", "next"
    ),
    "not finite": not_finite,
    "long": long_names,
    "hostile": hostile,
    "bare": bare,
}


@pytest.fixture(scope="module")
def full():
    return make()


@pytest.fixture(scope="module")
def html(full):
    return render_html(full)


@pytest.mark.parametrize("name", EDGES)
def test_every_kind_of_comparison_renders(name):
    result = EDGES[name]()
    before = copy.deepcopy(result)
    page, text = Page(render_html(result)), render_markdown(result)
    assert repr(result) == repr(before)
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.all("a")} <= set(ids)
    for word in ("None", "nan", "NaN", "inf]", "undefined", "{{"):
        if name != "hostile":
            assert word not in page.words
            assert word not in text
    coordinates = [
        v
        for tag, a in page.elements
        for k, v in a.items()
        if k in ("x", "y", "cx", "cy", "x1", "y1", "width", "height")
    ]
    assert all(math.isfinite(float(value)) for value in coordinates)
    assert len(summary_rows(result)) == len(result["ways"])


@pytest.mark.parametrize("name", EDGES)
def test_headings_do_not_skip_a_level(name):
    levels = [int(tag[1]) for tag, _ in Page(render_html(EDGES[name]())).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_hostile_text_stays_text():
    page = Page(render_html(hostile()))
    assert not page.all("script", "img", "iframe", "object", "base", "form")
    assert not [
        k
        for _, attrs in page.elements
        for k in attrs
        if k.startswith("on") or k in ("src", "srcset", "style", "action")
    ]
    assert len(page.all("style")) == 1
    assert page.words.count("<script>alert(1)</script>") > 100
    assert "{{ 7*7 }}" in page.words
    assert not re.search("[\x00-\x08\x1b\u202e]", page.words)
    assert HOSTILE[:30] in page.words


def test_hostile_page_has_the_elements_of_a_tame_one():
    tame = make(labels=4)
    tame["ways"][0].update(status="failed", error="x", scores={}, cost={})
    assert {tag for tag, _ in Page(render_html(hostile())).elements} <= {
        tag for tag, _ in Page(render_html(tame)).elements
    }


def test_hostile_text_is_dead_in_markdown():
    text = re.sub(r"^(`{3,})[a-z]*\n.*?\n\1$", "", render_markdown(hostile()), flags=re.S | re.M)
    text = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    ours = re.sub(r"</?(details|summary)>", "", text)
    assert not re.search(r"(?<!\\)<", ours)
    assert not re.search(r"(?<!\\)`", ours)
    assert "\x1b" not in text


def test_nothing_is_loaded_from_anywhere(html):
    page = Page(html)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert not page.all("script", "img", "iframe")
    assert [a["href"] for a in page.all("link")] == ["data:,"]
    assert all(a["href"].startswith("#") for a in page.all("a"))
    assert not re.search(r"https?://|@import|url\(", html)


@pytest.mark.parametrize("render", [render_html, render_markdown])
def test_every_number_of_every_way_is_there(render, full):
    text = render(full)
    shown = Page(text).words if render is render_html else text
    for way in full["ways"]:
        cost, score = way["cost"], way["scores"]["accuracy"]
        assert f"{score['value']:.3f}" in shown
        assert format.interval(score["low"], score["high"]) in shown
        assert f"{way['scores']['macro_f1']['value']:.3f}" in shown
        assert format.seconds(cost["fit_seconds"]) in shown
        assert format.seconds(cost["last_fit_seconds"]) in shown
        assert format.milliseconds(cost["predict_ms_per_row"]) in shown
        assert format.size(cost["peak_memory_bytes"]) in shown
        assert format.count(cost["trainable_parameters"]) in shown
        assert format.size(cost["stored_bytes"]) in shown
        assert way["verdict"] in shown
        if way["against_best"]:
            assert format.difference(way["against_best"]["difference"]) in shown
            assert format.p_value(way["against_best"]["p_adjusted"]) in shown


def test_seeds_stand_one_by_one():
    result = make(ways=3, labels=3, seeds=3)
    page = Page(render_html(result)).words
    for way in result["ways"]:
        assert " · ".join(format.score(value) for value in way["scores"]["accuracy"]["per_seed"]) in page
    assert "the 3 seeds one by one" in page


def test_the_answer_names_the_recommended_way(full, html):
    words = " ".join(Page(html).words.split())
    assert "Use Features + logistic regression: 0.869 accuracy cannot be told apart from the best" in words
    assert "**Use Features + logistic regression**: 0.869 accuracy cannot" in render_markdown(full)
    full = full | {"reason": "Because."}
    assert "Use Features + logistic regression. Because." in " ".join(Page(render_html(full)).words.split())


def test_failed_ways_come_last_with_their_error():
    result = fail(make(), "lora")
    assert way_rows(result)[-1]["name"] == "lora"
    for text in (Page(render_html(result)).words, render_markdown(result)):
        assert "Tried to allocate 2.50 GiB" in text
    assert "lora" not in {point["tip"].split(":")[0].lower() for point in view(result)["pictures"][0]["points"]}


def test_lower_is_better_turns_the_order_around():
    result = make(ways=4, labels=3)
    result["metric"] = {"name": "accuracy", "version": 1, "higher_is_better": False}
    values = [way["value"] for way in way_rows(result)]
    assert values == sorted(values)
    assert "lower is better" in render_html(result)


def test_tables_say_what_their_cells_are(html):
    page = Page(html)
    assert len(page.all("caption")) == len(page.all("table")) >= 10
    assert all("scope" in attrs for attrs in page.all("th"))
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page.all("svg"))
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == len(page.all("nav")) == 1
    assert all(attrs.get("aria-labelledby") for attrs in page.all("section"))


def test_size_and_determinism(full, html):
    assert len(html.encode()) < 300_000
    assert render_html(make()) == html
    assert render_markdown(make()) == render_markdown(full)
    assert len(render_html(long_names()).encode()) < 600_000


@pytest.mark.parametrize("name", EDGES)
def test_markdown_tables_have_equal_columns(name):
    tables = re.findall(r"(?:^\|.*\|\n)+", render_markdown(EDGES[name]()), flags=re.M)
    assert tables
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1


def test_recipes_are_yaml_that_reads_back(full):
    shown = view(plain(full))["recipes"]
    assert len(shown) == 9
    recipes = {recipe["title"]: parse_yaml(recipe["yaml"], Path("r.yaml")).value for recipe in shown}
    assert all(recipes[way["title"]] == way["recipe"] for way in full["ways"])


def test_a_shared_part_of_recipes_is_written_out():
    result, part = make(ways=2, labels=2), {"part": "labels"}
    result["ways"][0]["recipe"] = {"one": part, "two": part}
    assert "&id" not in view(plain(result))["recipes"][0]["yaml"]


def test_search_marks_the_chosen_line_once(full):
    told = {way["title"]: way for way in view(full)["search"]}
    rows = told["LoRA"]["tables"][0]["rows"]
    assert [row["chosen"] for row in rows] == [False, False, True, False]
    assert told["LoRA"]["summary"] == "4 settings tried, chosen: lr 0.001, epochs 7"
    assert told["Zero-shot"]["summary"] == "nothing to search"
    assert "with each of 3 seeds" in view(make(seeds=3))["search"][0]["summary"]


def test_a_setting_that_failed_is_told_with_its_words():
    result = make()
    lora = next(way for way in result["ways"] if way["title"] == "LoRA")
    tries = lora["search"][0]
    tries.append(tries[2] | {"score": None, "loss": None, "epochs": None, "fault": "the loss of step 3 is no number"})
    told = {way["title"]: way for way in view(result)["search"]}["LoRA"]
    said = "5 settings tried, chosen: lr 0.001, epochs 7; 1 failed: the loss of step 3 is no number"
    assert told["summary"] == said
    assert [row["chosen"] for row in told["tables"][0]["rows"]] == [False, False, True, False, False]
    assert "failed: the loss of step 3 is no number" in render_html(result)
    assert said in render_markdown(result).replace("\\", "")


def test_answers_are_grouped_the_right_one_first():
    row = {"id": "t:1", "text": "hm", "gold": "a", "answers": {"bitfit": "b", "lora": "a", "full": "b"}}
    result = make(ways=3, labels=3) | {"disagreements": [row]}
    shown = view(result)["disagreements"][0]["answers"]
    assert [(a["label"], a["right"], a["ways"]) for a in shown] == [
        ("a", True, ["LoRA"]),
        ("b", False, ["BitFit", "Full fine-tuning"]),
    ]


def test_write_makes_three_files_that_agree(tmp_path, full):
    folder = tmp_path / "new" / "report"
    write(full, folder)
    write(full, folder)
    assert sorted(p.name for p in folder.iterdir()) == ["comparison.json", "report.html", "report.md"]
    back = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert back == json.loads(json.dumps(full))
    assert render_html(back) == (folder / "report.html").read_text(encoding="utf-8")
    assert render_markdown(back) == (folder / "report.md").read_text(encoding="utf-8")


def test_write_takes_what_json_and_utf8_do_not_know(tmp_path):
    result = not_finite()
    result["title"] = "half \ud83d a sign"
    write(result, tmp_path)
    back = json.loads((tmp_path / "comparison.json").read_bytes())
    assert back["title"] == "half \ud83d a sign"
    assert back["ways"][0]["search"][0][0]["loss"] is None
    assert "half \ufffd a sign" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_summary_rows_follow_the_ways(full):
    rows = summary_rows(full)
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert [row[0] for row in rows] == [way["title"] for way in full["ways"]]
    chosen = rows[2]
    assert chosen[1:5] == [
        "0.869 [0.857, 0.881]",
        "−0.011 [−0.023, +0.001]",
        "cannot be told apart, recommended",
        "2.6 s",
    ]
    assert chosen[5:] == ["2.9 ms", "420 MB", "79.0 kB"]
    assert rows[-1][2:4] == ["–", "best"]


@pytest.mark.parametrize(
    ("make_text", "expected"),
    [
        (
            format.seconds,
            {
                0: "0 s",
                0.0031: "3.1 ms",
                0.45: "0.45 s",
                3.14: "3.1 s",
                96.1: "96 s",
                412: "6.9 min",
                7300: "2.0 h",
                2e5: "2.3 d",
            },
        ),
        (
            format.milliseconds,
            {0: "0 ms", 0.021: "0.021 ms", 3.1: "3.1 ms", 31.4: "31 ms", 999.6: "1.0 s", 2345: "2.3 s"},
        ),
        (
            format.size,
            {0: "0 B", 999: "999 B", 999_999: "1.0 MB", 1_234_567: "1.2 MB", 9e8: "900 MB", 22.7e9: "22.7 GB"},
        ),
        (format.count, {0: "0", 9_636: "9,636", 123_456: "123 k", 22_722_841: "22.7 M", 7e9: "7.0 G"}),
        (format.p_value, {0: "<0.001", 0.004: "0.004", 0.0499: "0.050", 0.27: "0.27", 1: "1"}),
        (format.score, {0: "0.000", 1: "1.000", -0.00001: "0.000", 0.8684: "0.868"}),
        (format.difference, {-0.012: "−0.012", 0.004: "+0.004", -0.0001: "0.000"}),
    ],
)
def test_numbers_in_human_units(make_text, expected):
    assert {value: make_text(value) for value in expected} == expected
    assert {make_text(value) for value in (None, math.nan, math.inf, "x", True)} == {"–"}


def test_metric_names():
    assert [metric_title(n) for n in ("accuracy", "macro_f1", "rouge_l")] == ["Accuracy", "Macro F1", "ROUGE l"]
    assert [metric_words(n) for n in ("accuracy", "macro_f1", "mcc")] == ["accuracy", "macro F1", "MCC"]
