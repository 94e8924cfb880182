"""The neighbourhood page: self-contained, escaped, readable with 50 peers, and alive in a browser."""

import base64
import hashlib
import json
import math
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from pureplay.graph.story_records import LINKS, Neighbourhood
from pureplay.reports.neighbourhood import neighbourhood_part, neighbourhood_script, render_neighbourhood
from pureplay.reports.neighbourhood_layout import DRAWN, KINDS, NARROW, WIDE, Canvas, Drawing, arrange, kinds_of, measure_of
from pureplay.reports.page import fill
from pureplay.reports.wording import SYNTHETIC
from tests.reports.factory import HOSTILE, MANIFEST
from tests.reports.story_factory import around, peer
from tests.reports.test_tearsheet import LOADING, Tags, text_of

CANVASES = (WIDE, NARROW)
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


def page_of(story: Neighbourhood) -> str:
    return render_neighbourhood(story, manifest=MANIFEST)


def digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def policy_of(page: str) -> str:
    (policy,) = (each["content"] for _, each in Tags(page).elements if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    return policy


@pytest.mark.parametrize("peers", [0, 1, 2, 50, 300])
def test_nothing_is_loaded_and_the_page_is_the_same_every_time(peers: int) -> None:
    page = page_of(around(peers))
    assert not [word for word in ("http://", "https://", "@import", "url(") if word in page]
    for tag, attributes in Tags(page).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not set(LOADING) & set(attributes), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert page == page_of(around(peers))


def test_the_script_is_there_once_and_the_policy_allows_it_alone() -> None:
    page = page_of(around(7))
    (source,) = (each for each in re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL))
    assert source == neighbourhood_script()
    assert f"script-src {digest(source)};" in policy_of(page)
    assert "unsafe-inline'; img-src" in policy_of(page), "of styles alone"
    assert "unsafe-eval" not in policy_of(page)


def test_two_parts_on_one_page_share_one_script() -> None:
    body = neighbourhood_part(around(3)) + neighbourhood_part(around(4, asset="000001.SZ"))
    context = {"title": "Two", "synthetic": "", "synthetic_names": [], "lead": "", "facts": (), "body": body, "manifest": {}}
    page = fill("neighbourhood.html", (), context, scripts=[neighbourhood_script(), neighbourhood_script()])
    assert page.count("<script>") == 1
    assert policy_of(page).count("'sha256-") == 1
    assert page.count('class="neighbourhood"') == 2


@pytest.mark.parametrize("hostile", [HOSTILE, "<img src=x onerror=alert(1)>", '"><b onload="x">', "{{ 7 * 7 }}", "<!--<script>", "'&amp;"])
def test_hostile_text_is_text_everywhere(hostile: str) -> None:
    peers = around(3).peers.with_columns(pl.lit(hostile).alias("name"), pl.lit(hostile).alias("industry"))
    page = render_neighbourhood(around(3, name=hostile, asset=hostile, peers=peers), manifest={hostile: hostile})
    plain = render_neighbourhood(around(3), manifest={"a": "b"})
    assert {tag for tag, _ in Tags(page).elements} <= {tag for tag, _ in Tags(plain).elements}
    assert page.count("<script") == plain.count("<script")
    assert not any(name.startswith("on") for _, attributes in Tags(page).elements for name in attributes)
    assert " ".join(hostile.split()) in text_of(page)


def test_characters_that_steer_text_do_not_reach_the_drawing() -> None:
    peers = pl.DataFrame([peer(0, name="a\u202eb\nc\x07d\u2028e")], schema=around(1).peers.schema)
    assert arrange(around(1, peers=peers), WIDE).spokes[0].label == "ab c d e 600000.SH"


def test_no_peer_is_said_and_nothing_is_drawn() -> None:
    page = page_of(around(0))
    assert "has no peer on 2024-06-28. No article of the window names it with another stock." in text_of(page)
    assert "A structural link" not in page
    assert "No structural link joins it to another stock." in text_of(page_of(around(0, has_news=False)))
    assert "<table" not in page.split('class="neighbourhood"')[1].split("</section>")[0]
    assert "around wide" not in page


def test_the_table_and_the_head_say_the_figures() -> None:
    text = text_of(page_of(around(50))).replace("\u00a0", " ")
    held = Counter("confirmed" if row["confirmed"] else "dark" if row["dark"] else "rest" for row in around(50).peers.to_dicts())
    assert f"{held['confirmed']} confirmed by a structural link, {held['dark']} dark and {held['rest']} without an entry" in text
    assert "Copper Foil Holdings 600000.SH 1 Deep product peer Input chain +0.720 +0.600 1 1 5 0 sector 0" in text
    assert "600273.SH 40 Not in the product tree +0.211 +0.254 4 4 – 3 sector 3" in text, "no name, no depth"
    assert SYNTHETIC in text
    assert SYNTHETIC not in page_of(around(50, synthetic=False))
    assert "The nearer to the centre, the higher the expected correlation" in text


def test_trailing_correlation_stands_in_where_there_is_no_forecast() -> None:
    story = around(4)
    story = replace(story, peers=story.peers.with_columns(expected_fwd_corr=pl.lit(None, dtype=pl.Float64)))
    assert measure_of(story) == "trailing_corr"
    assert "the higher the trailing correlation" in text_of(page_of(story))
    some = story.peers.with_columns(expected_fwd_corr=pl.when(pl.col("rank") > 1).then(0.1 * pl.col("rank")))
    made = replace(story, peers=some)
    assert "A peer without that figure stands on the outermost ring" in text_of(page_of(made))
    drawn = arrange(made, WIDE)
    first, *others = (distance(each, WIDE) for each in drawn.spokes)
    assert first == pytest.approx(max(each.radius for each in drawn.rings), abs=0.1)  # places are printed to a tenth
    assert others[2] < others[1] < first


def distance(spoke: object, canvas: Canvas) -> float:
    return math.hypot(spoke.x - canvas.size / 2, spoke.y - canvas.size / 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("total", "said"), [(300, "The first 50 of 300 peers are drawn."), (50, ""), (51, "The first 50 of 51 peers")])
def test_at_most_fifty_are_drawn_and_the_page_says_so(total: int, said: str) -> None:
    page = page_of(around(total))
    assert said in text_of(page)
    assert ("are drawn" in page) == bool(said)
    assert page.count('<g class="peer"') == 2 * min(total, DRAWN)
    assert page.count("<tr data-row=") == total, "the table has every one"
    short = around(50, total=300)
    assert "Of the first 50 of its 300 peers" in text_of(page_of(short))


def test_lines_follow_the_lamps_and_distance_the_correlation() -> None:
    story = around(50)
    rows = story.peers.to_dicts()
    drawn = arrange(story, WIDE)
    assert [each.number for each in drawn.spokes] == list(range(50))
    for spoke in drawn.spokes:
        lit = [kind for kind in KINDS if kind.column and rows[spoke.number][kind.column]]
        assert [each[4] for each in spoke.strokes] == (lit or [spoke.kind])
        assert spoke.kind.key == ("unmapped" if spoke.number == 39 else spoke.kind.key)
    assert sum(len(each.strokes) == 2 for each in drawn.spokes) > 3
    order = sorted(drawn.spokes, key=lambda each: distance(each, WIDE))
    assert [rows[each.number]["expected_fwd_corr"] for each in order] == sorted((row["expected_fwd_corr"] for row in rows), reverse=True)
    assert len({(kind.colour, kind.dash, kind.shape, kind.filled) for kind in KINDS}) == len(KINDS)
    assert len({kind.colour for kind in KINDS}) == len(KINDS)
    assert [(kind.dash, kind.shape) for kind in KINDS if kind.column] == list({(k.dash, k.shape): 0 for k in KINDS if k.column})


def test_a_peer_is_one_of_the_kinds() -> None:
    off = dict.fromkeys(("lamp_deep_peer", "lamp_sam_chain", "lamp_disclosed", "lamp_affiliate"), False)
    assert [each.key for each in kinds_of(peer(0, **off, confirmed=True, dark=False))] == ["shallow"]
    assert [each.key for each in kinds_of(peer(0, **off, confirmed=False, dark=True))] == ["dark"]
    assert [each.key for each in kinds_of(peer(0, **off, confirmed=False, dark=False))] == ["unmapped"]
    assert [each.key for each in kinds_of(peer(0))] == ["deep", "chain"]


def corners(drawing: Drawing) -> list[list[tuple[float, float]]]:
    """Boxes of all labels, each by its corners: as wide as DejaVu Sans sets them, or wider, and one line high."""
    out = []
    for each in drawing.spokes:
        wide = drawing.canvas.font * sum(1.0 if ord(letter) > 0x2E80 else 0.64 for letter in each.label)
        start, turn = (-wide if each.anchor == "end" else 0.0), math.radians(each.turn)
        box = [(start, -0.5), (start + wide, -0.5), (start + wide, 0.5), (start, 0.5)]
        flat = [(x, y * drawing.canvas.font) for x, y in box]
        out.append(
            [
                (each.text_x + x * math.cos(turn) - y * math.sin(turn), each.text_y + x * math.sin(turn) + y * math.cos(turn))
                for x, y in flat
            ]
        )
    return out


def apart(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> bool:
    """Whether a line separates two boxes (separating axes)."""
    for box in (one, other):
        for (x1, y1), (x2, y2) in pairwise([*box, box[0]]):
            axis = (y2 - y1, x1 - x2)
            first, second = ([x * axis[0] + y * axis[1] for x, y in each] for each in (one, other))
            if max(first) < min(second) or max(second) < min(first):
                return True
    return False


@pytest.mark.parametrize("canvas", CANVASES, ids=lambda canvas: canvas.name)
@pytest.mark.parametrize("peers", [1, 2, 3, 12, 50])
def test_no_label_overlaps_another_or_leaves_the_drawing(peers: int, canvas: Canvas) -> None:
    boxes = corners(arrange(around(peers), canvas))
    assert len(boxes) == peers
    for place, box in enumerate(boxes):
        assert all(0 <= x <= canvas.size and 0 <= y <= canvas.size for x, y in box)
        assert all(apart(box, other) for other in boxes[:place])


def test_the_check_on_overlaps_sees_one() -> None:
    box = [(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (0.0, 1.0)]
    assert not apart(box, [(x + 1, y + 0.5) for x, y in box])
    assert apart(box, [(x + 5, y) for x, y in box])


def test_links_to_stocks_that_are_not_shown_are_left_out() -> None:
    rows = [
        ("600000.SH", "600007.SH", 0.1, True, False),
        ("600000.SH", "999999.SH", 0.1, True, False),
        ("600007.SH", "600014.SH", 0.1, False, True),
    ]
    page = page_of(around(3, links=pl.DataFrame(rows, schema=LINKS, orient="row")))
    assert 'data-links="0-1-c 1-2-d"' in page


DRIVER = """
<script>
(function () {
  var root = document.querySelector(".neighbourhood"), out = {};
  var pick = function (selector) { return root.querySelector(selector); };
  var all = function (selector) { return root.querySelectorAll(selector).length; };
  var fire = function (node, name) { node.dispatchEvent(new Event(name, { bubbles: true })); };
  var key = function (node, name) { node.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true })); };
  var wide = pick("svg.wide"), peers = wide.querySelectorAll(".peer");
  out.controls = !pick(".controls").hidden;
  out.stops = wide.querySelectorAll('.peer[tabindex="0"]').length;
  fire(peers[3], "mouseenter");
  out.hover = pick(".told").textContent;
  fire(peers[4], "click");
  out.marked = [peers[4].getAttribute("aria-pressed"), pick("tr.on").getAttribute("data-row"), all("tr.on")];
  out.chords = wide.querySelectorAll(".chord").length;
  out.near = wide.querySelectorAll(".peer.near").length;
  key(peers[4], "Escape");
  out.released = all("tr.on") + wide.querySelectorAll(".chord").length;
  peers[0].focus();
  key(peers[0], "ArrowRight");
  out.walked = document.activeElement.getAttribute("data-peer");
  key(document.activeElement, "Enter");
  out.entered = pick("tr.on").getAttribute("data-row");
  pick('input.kind[value="dark"]').click();
  out.undarkened = [all("tr[data-row]:not([hidden])"), wide.querySelectorAll(".peer.off").length];
  pick(".reset").click();
  pick(".search").value = "LITHIUM";
  fire(pick(".search"), "input");
  out.found = all("tr[data-row]:not([hidden])");
  pick(".reset").click();
  pick(".slider").value = "0.5";
  fire(pick(".slider"), "input");
  out.strong = [all("tr[data-row]:not([hidden])"), pick(".count").textContent, pick(".least").textContent];
  pick(".reset").click();
  out.back = [all("tr[data-row]:not([hidden])"), all("tr.on"), all(".peer.off")];
  pick(".between").click();
  out.between = wide.querySelectorAll(".chord").length;
  pick("tbody tr .pick").click();
  out.row = wide.querySelector(".peer.on").getAttribute("data-peer");
  out.pressed = pick("tbody tr .pick").getAttribute("aria-pressed");
  document.title = JSON.stringify(out);
})();
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_drawing_answers_to_pointer_keys_and_filters(tmp_path: Path) -> None:
    story = around(50)
    page = page_of(story)
    driver = DRIVER.strip()
    source = driver.removeprefix("<script>").removesuffix("</script>")
    page = page.replace("script-src ", f"script-src {digest(source)} ").replace("</body>", f"{driver}</body>")
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--window-size=1200,900", "--dump-dom", file.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r"<title>(\{.*?)</title>", done.stdout, flags=re.DOTALL)
    assert found, done.stderr[-2000:]
    out = json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    rows, links = story.peers.to_dicts(), story.links
    own = links.filter((pl.col("a") == rows[4]["peer"]) | (pl.col("b") == rows[4]["peer"])).height
    dark = sum(row["dark"] for row in rows)
    strong = sum(row["expected_fwd_corr"] >= 0.5 for row in rows)
    assert out["controls"]
    assert out["stops"] == 1
    assert out["hover"].startswith("600021.SHRank4Linked byAffiliateTrailing+0.638Expected+0.551")
    assert out["marked"] == ["true", "4", 1]
    assert own > 0
    assert out["chords"] == out["near"] == own
    assert out["released"] == 0
    deep = [place for place, row in enumerate(rows) if row["lamp_deep_peer"]]
    assert out["walked"] == out["entered"] == str(deep[1])
    assert out["undarkened"] == [50 - dark, dark]
    assert out["found"] == sum("Lithium" in (row["name"] or "") for row in rows)
    assert out["strong"] == [strong, f"{strong} of 50 shown", "0.50"]
    assert out["back"] == [50, 0, 0]
    assert out["between"] == links.height
    assert (out["row"], out["pressed"]) == ("0", "true")
