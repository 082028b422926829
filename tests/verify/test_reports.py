import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from hflint.verify.codec import CodecError
from hflint.verify.outcome import Outcome, Raised, Verdict, Warned
from hflint.verify.report import counts, read_results, rows, table, to_report, write_report
from hflint.verify.session import Result

ENVIRONMENT = {"python": "3.11.7", "platform": "Linux", "libraries": {"torch": "2.13.0"}}
RAISED = Outcome(
    status="raised", reason="ValueError: <pad> & co", raised=Raised("ValueError", "<pad> & co\nsecond line", "tokenize"),
    warnings=(Warned("UserWarning", "a <b>", "load"),), device="cpu", model="twin of llama (2 layers)",
)  # fmt: skip
RESULTS = [
    Result("missing-pad-token", "a.py", 3, Verdict("confirmed", "ValueError: <pad> & co"), RAISED, Outcome(), {"before": {"version": 1}}),
    Result(
        "missing-gradient-checkpointing", "b|c.py", 9, Verdict("improved", "4.0x smaller", "no checkpointing"),
        Outcome(losses=(6.0, 5.5, 5.0), saved_bytes=4 * 2**20, weights={"torch.float32": 2048}, eos_rows=2, eos_kept=0),
        Outcome(losses=(6.0, 5.5, 5.1), saved_bytes=2**20, weights={"torch.float32": 2048}),
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
    assert read_results(json.dumps(data)) == RESULTS


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2, "verdicts": []}', '{"version": 1}', '{"version": 1, "verdicts": [{}]}']
)
def test_what_is_no_report_is_refused_in_one_line(text):
    with pytest.raises(CodecError) as caught:
        read_results(text)
    assert "\n" not in str(caught.value)


def test_rows_say_what_each_run_did():
    assert rows(RESULTS)[0][2:] == ("ValueError in tokenize", "ran", "confirmed", "ValueError: <pad> & co")
    assert rows(RESULTS)[1][2] == "ran, loss 6.00 to 5.00, saved 4.0 MiB"
    assert rows(RESULTS)[2][3:] == ("no fix", "cannot tell", "needs a GPU")
    assert counts(RESULTS) == "1 confirmed, 1 improved, 1 cannot tell"


def test_the_table_fits_a_terminal():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table(RESULTS))
    text = console.export_text()
    assert "improved" in text
    assert max(map(len, text.splitlines())) <= 100


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
    assert parsed.links == []
    assert parsed.seen.count("section") == 3
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
