import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from hflint.verify.codec import CodecError
from hflint.verify.outcome import Outcome, Raised, Verdict, Warned
from hflint.verify.report import asides, brief, counts, listing, read_report, rows, table, to_report, write_report
from hflint.verify.results import Result

ENVIRONMENT = {"python": "3.11.7", "platform": "Linux", "libraries": {"torch": "2.13.0"}}
RAISED = Outcome(
    status="raised", reason="ValueError: <pad> & co", raised=Raised("ValueError", "<pad> & co\nsecond line", "tokenize"),
    warnings=(Warned("UserWarning", "a <b>", "load"),), device="cpu", model="twin of llama (2 layers)",
)  # fmt: skip
RESULTS = [
    Result(
        "missing-pad-token", "a.py", 3, Verdict("confirmed", "ValueError: <pad> & co"),
        RAISED, Outcome(phase="tokenize"), {"before": {"version": 1}, "after": {"version": 1}},
    ),
    Result(
        "missing-gradient-checkpointing", "b|c.py", 9, Verdict("improved", "4.0x smaller", "no checkpointing"),
        Outcome(phase="train", losses=(6.0, 5.5, 5.0), saved_bytes=4 * 2**20, weights={"torch.float32": 2048}, eos_rows=2, eos_kept=0),
        Outcome(phase="train", losses=(6.0, 5.5, 5.1), saved_bytes=2**20, weights={"torch.float32": 2048}),
    ),
    Result("missing-device-map", "c.py", 1, Verdict("cannot tell", reason="needs a GPU"), Outcome(), None),
]  # fmt: skip


def test_the_json_report_is_the_contract_and_is_read_back():
    data = json.loads(json.dumps(to_report(ENVIRONMENT, RESULTS)))
    assert data["version"] == 1
    assert data["environment"] == ENVIRONMENT
    keys = {"rule", "path", "line", "verdict", "figure", "reason", "before", "after"}
    assert all(keys <= set(entry) for entry in data["verdicts"])
    assert data["verdicts"][2]["after"] is None
    assert read_report(json.dumps(data)) == (ENVIRONMENT, RESULTS)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2, "verdicts": []}', '{"version": 1}', '{"version": 1, "verdicts": [{}]}']
)
def test_what_is_no_report_is_refused_in_one_line(text):
    with pytest.raises(CodecError) as caught:
        read_report(text)
    assert "\n" not in str(caught.value)


def test_rows_say_what_each_run_did():
    assert rows(RESULTS)[0][2:] == ("ValueError in tokenize", "ran", "confirmed", "ValueError: <pad> & co")
    assert rows(RESULTS)[1][2] == "ran, loss 6.00 to 5.00, saved 4.0 MiB"
    assert rows(RESULTS)[2][2:] == ("not run", "no fix", "cannot tell", "needs a GPU")
    assert counts(RESULTS) == "1 confirmed, 1 improved, 1 cannot tell"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_shows_everything_in_its_width(width):
    console = Console(width=width, record=True, file=io.StringIO())
    for part in listing(RESULTS):
        console.print(part)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    said = " ".join(text.split())
    for words in ("3 missing-pad-token confirmed ValueError: <pad> & co before: ValueError in tokenize; after: ran",
                  "missing-gradient-checkpointing improved 4.0x smaller no checkpointing before:", "needs a GPU"):  # fmt: skip
        assert words in said


def test_a_pipe_gets_a_row_a_line():
    console = Console(width=500, record=True, file=io.StringIO())
    console.print(table(RESULTS))
    assert len(console.export_text().splitlines()) == 1 + len(RESULTS)


class Structure(HTMLParser):
    """Tags in order; fails on one that is closed out of turn."""

    VOID = ("meta", "line", "rect", "polyline")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_escaped_and_needs_nothing_else(tmp_path):
    write_report(tmp_path / "r.html", ENVIRONMENT, RESULTS)
    text = (tmp_path / "r.html").read_text()
    parsed = Structure()
    parsed.feed(text)
    assert parsed.open == []
    assert parsed.links == ["#case-1", "#case-2", "#case-3"]
    assert all(f'id="case-{number}"' in text for number in (1, 2, 3))
    assert parsed.seen.count("section") == 4
    assert parsed.seen.count("polyline") == 2
    assert "<pad>" not in text
    assert "&lt;pad&gt; &amp; co" in text
    assert not re.search(r"https?://", text)


def test_markdown_keeps_its_table(tmp_path):
    write_report(tmp_path / "r.md", ENVIRONMENT, RESULTS)
    lines = [line for line in (tmp_path / "r.md").read_text().splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"r.pdf: a report is .html, .md or .json"):
        write_report(tmp_path / "r.pdf", ENVIRONMENT, RESULTS)


@pytest.mark.parametrize(("share", "said"), [(0.0, "0.0%"), (0.0295, "2.9%"), (0.62, "62.0%")])
def test_the_share_that_a_quantization_reaches_is_in_every_report(tmp_path, share, said):
    before = Outcome(phase="load", quantized_share=share, estimate={"quantizable_share": 0.869})
    result = Result("nothing-quantized", "a.py", 1, Verdict("confirmed", "few"), before)
    assert brief(before) == f"ran, {said} quantized"
    for ending in ("html", "md", "json"):
        write_report(tmp_path / f"r.{ending}", ENVIRONMENT, [result])
    page = (tmp_path / "r.html").read_text()
    assert f"<td>{share:.2%}</td>" in page
    assert "<td>86.90%</td>" in page
    assert f"{said} quantized" in (tmp_path / "r.md").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["verdicts"][0]["before"]["quantized_share"] == share


def test_what_the_table_cuts_is_said_in_full():
    long = " ".join(["word"] * 60)
    results = [
        Result("r", "a.py", 1, Verdict("cannot tell", reason=long), Outcome()),
        Result("r", "a.py", 2, Verdict("confirmed", "short", "there is no fix to verify"), Outcome(phase="bind")),
        Result("r", "a.py", 3, Verdict("fix fails", "short", "the fix gains nothing"), Outcome(phase="bind"), Outcome(phase="bind")),
    ]  # fmt: skip
    assert asides(results) == [f"a.py:1 r: cannot tell: {long}", "a.py:3 r: fix fails: the fix gains nothing"]


def test_the_page_shows_both_runs_once_where_they_are_alike(tmp_path):
    same = Result("r", "a.py", 1, Verdict("cannot tell", reason="broken"), RAISED, RAISED)
    write_report(tmp_path / "r.html", {**ENVIRONMENT, "executable": "/venv/bin/python"}, [same])
    text = (tmp_path / "r.html").read_text()
    assert text.count("second line</pre>") == 1
    assert '<td colspan="2" class="both">cpu</td>' in text
    assert "hflint verify a.py --select r --python /venv/bin/python" in text
    assert "#case-" not in text  # one case needs no overview


def test_a_loss_that_hardly_moves_does_not_look_as_if_it_did(tmp_path):
    def drawn(losses):
        result = Result("r", "a.py", 1, Verdict("confirmed"), Outcome(phase="train", losses=losses))
        write_report(tmp_path / "r.html", ENVIRONMENT, [result])
        points = re.search(r'points="([^"]*)"', (tmp_path / "r.html").read_text())[1].split()
        return [float(point.split(",")[1]) for point in points]

    noise, learned, broken = drawn((6.0, 5.99, 6.01)), drawn((6.0, 3.0, 1.0)), drawn((6.0, float("nan"), 1.0))
    assert max(noise) - min(noise) < 10
    assert max(learned) - min(learned) > 100
    assert len(broken) == 2
