import itertools
import re
from pathlib import Path

import pytest
from report_fixture import edge_scores, make, no_cost_at_all

from tailorlm.comparison.report import format, render, render_html
from tailorlm.comparison.report.heatmap import LARGEST, heatmap
from tailorlm.comparison.report.placing import Anchor, overlap, place
from tailorlm.comparison.report.scatter import pictures, score_domain, score_ticks, time_ticks
from tailorlm.comparison.report.view import way_rows


def boxes(picture):
    """The boxes of the labels of a picture, from their lines, as the page draws them."""
    found = []
    for point in picture["points"]:
        lines = point["lines"] + (["recommended"] if point["recommended"] else [])
        wide = max(format.width(line, 11.5 if line == "recommended" else 13) for line in lines)
        left = point["text_x"] - {"start": 0, "middle": wide / 2, "end": wide}[point["side"]]
        found.append((left, point["text_y"] - 12, left + wide, point["text_y"] - 12 + 15 * len(lines)))
    return found


@pytest.mark.parametrize("size", [0, 1, 2])
def test_labels_cover_neither_one_another_nor_the_marks(size):
    picture = pictures(way_rows(make()), "Accuracy")[size]
    labels, frame = boxes(picture), picture["frame"]
    assert len(labels) == 9
    assert not [1 for one, other in itertools.combinations(labels, 2) if overlap(one, other)]
    marks = [(p["x"] - 6, p["y"] - 6, p["x"] + 6, p["y"] + 6) for p in picture["points"]]
    assert not [1 for label in labels for mark in marks if overlap(label, mark)]
    assert all(frame["left"] <= box[0] and box[2] <= frame["right"] and box[3] <= frame["bottom"] for box in labels)
    ticks = picture["x_ticks"]
    for before, after in itertools.pairwise(ticks):
        assert after["x"] - before["x"] > (format.width(before["text"], 11.5) + format.width(after["text"], 11.5)) / 2


def test_labels_of_points_in_one_place_spread_out():
    anchors = [Anchor(200, 200, 60, 16, ((193, 193, 207, 207),)) for _ in range(6)]
    places = place(anchors, (0, 0, 400, 400))
    assert not [1 for one, other in itertools.combinations(places, 2) if overlap(one.box, other.box)]
    assert place(anchors, (0, 0, 400, 400)) == places
    assert place([], (0, 0, 1, 1)) == []


def test_no_time_stands_in_a_column_of_its_own():
    picture = pictures(way_rows(make()), "Accuracy")[0]
    assert picture["zero"]["text"] == "0 s"
    zero = next(point for point in picture["points"] if point["tip"].startswith("Zero-shot"))
    assert zero["x"] == picture["zero"]["x"] < picture["broken_at"] < min(tick["x"] for tick in picture["x_ticks"])
    assert pictures(way_rows(make(ways=3)), "Accuracy")[0]["zero"] is None
    nothing = pictures(way_rows(no_cost_at_all()), "Accuracy")[0]
    assert nothing["x_ticks"] == []
    assert nothing["broken_at"] is None
    assert pictures(way_rows(edge_scores()), "Accuracy")[0]["zero"]["text"] == "< 10 ms"


def test_axes():
    assert [text for _, text in score_ticks(0.592, 0.892)] == ["0.60", "0.65", "0.70", "0.75", "0.80", "0.85"]
    assert [text for _, text in score_ticks(0.0, 1.0)] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [text for _, text in time_ticks(1.5, 200, 9)] == ["2 s", "5 s", "10 s", "20 s", "30 s", "1 min", "2 min"]
    assert [text for _, text in time_ticks(0.01, 90_000, 9)] == [
        "10 ms",
        "100 ms",
        "1 s",
        "10 s",
        "1 min",
        "10 min",
        "1 h",
        "10 h",
    ]
    assert score_domain([]) == (0.0, 1.0)
    low, high = score_domain([{"value": 1.0, "low": 1.0, "high": 1.0}])
    assert low < high == 1.0


def test_confusion_matrix_up_to_forty_labels():
    board = heatmap({"labels": ["a", "b"], "counts": [[9, 1], [0, 0]]})
    assert [(cell["count"], cell["right"], cell["shade"]) for cell in board["cells"]] == [
        ("9", True, 5),
        ("1", False, 2),
    ]
    assert board["cells"][1]["tip"] == "a answered as b: 1 of 10 rows"
    many = [str(i) for i in range(LARGEST + 1)]
    assert heatmap({"labels": many, "counts": []}) is None
    assert heatmap(None) is None
    assert "too large to read" in render_html(make(labels=77))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def mixed(colour, paper, share):
    pairs = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def test_contrast_in_light_and_dark():
    css = (Path(render.__file__).parent / "report.css").read_text()
    schemes = [
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)[:2]
    ]
    shades = {int(k): float(v) for k, v in re.findall(r"\.s(\d) rect \{ fill-opacity: ([\d.]+)", css)}
    assert len(schemes[0]) == len(schemes[1]) == 11
    assert len(shades) == 5
    for c in schemes:
        for ink in ("ink", "quiet", "best", "same", "worse", "fault"):
            for ground in ("paper", "raised", "chosen"):
                assert contrast(c[ink], c[ground]) >= 4.5, (ink, ground)
        assert contrast(c["axis"], c["paper"]) >= 3
        for kind, (level, share) in itertools.product(("best", "worse"), shades.items()):
            text = c["paper"] if level >= 4 else c["ink"]
            assert contrast(text, mixed(c[kind], c["paper"], share)) >= 4.5, (kind, level)
