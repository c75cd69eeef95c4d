"""Charts of growth and of ratios."""

import sys
from xml.etree import ElementTree

import pytest
from support.server import REPOSITORY

sys.path.insert(0, str(REPOSITORY))
from bench import charts

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("points", "wanted"), [([(10, 5), (1000, 5)], 0.0), ([(10, 1), (1000, 100)], 1.0)])
def test_the_slope_is_that_of_the_logarithms(points: charts.Points, wanted: float) -> None:
    assert charts.slope(points) == pytest.approx(wanted)


def test_a_curve_goes_through_its_points_and_names_its_slope() -> None:
    text = charts.growth("t <&>", "messages", "ms", {"put": [(1_000, 1.0), (1_000_000, 1.0)], "one point": [(1, 1)]})
    tree = ElementTree.fromstring(text)
    (line,) = tree.findall(f"{_SVG}polyline")
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.attrib["points"].split())
    assert (x1, y1) < (x2, y2 + 1)
    assert y1 == y2
    assert "put (slope 0.00)" in {element.text for element in tree.findall(f"{_SVG}text")}


def test_a_bar_is_as_long_as_its_ratio() -> None:
    tree = ElementTree.fromstring(charts.ratios("smtp", {"half": 0.5, "twice": 2.0}))
    short, long = (float(bar.attrib["width"]) for bar in tree.findall(f"{_SVG}rect")[1:])
    assert long == pytest.approx(4 * short, rel=0.01)


def test_what_the_bench_wrote_is_drawn() -> None:
    smtp = {
        "case": "smtp",
        "rows": [{"target": "mailhub"}],
        "ratios": {
            "postfix": {"4 KB x 20": {"delivered_per_second": 2.0, "server_cpu_ms_each": 0.5}},
            "exim": {"4 KB x 20": {"delivered_per_second": 3.0}},
        },
    }
    queue = {"case": "queue_million", "rows": [dict.fromkeys(("messages", "put_and_settle", "open", "lease_nothing", "first_page",
             "middle_page", "counts"), n) for n in (1, 10)]}  # fmt: skip
    assert set(charts.drawn([{"cases": [smtp]}, queue])) == {"smtp-rate", "smtp-cpu", "smtp-rate-exim", "growth-queue"}
