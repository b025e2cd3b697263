"""Documents as rows: text, Markdown, HTML, DOCX, ODT, PDF."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made import docx, odt, paragraph, pdf

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.data import read
from tailorlm.data.headings import headings

Put = Callable[[str, str | bytes], str]


def one(name: str) -> dict[str, object]:
    rows = read(name)
    assert len(rows) == 1
    assert rows[0].where == f"{name}:1"
    assert rows.columns[:3] == ("text", "title", "source")
    assert rows[0].values["source"] == name
    return rows[0].values


def test_text_stays_byte_for_byte(put: Put) -> None:
    text = "  One.\r\n\r\nTwo\u2028three.\t\n\n"
    assert one(put("my notes.txt", text)) == {"text": text, "title": "my notes", "source": "my notes.txt"}
    assert read("my notes.txt").notes == ("my notes.txt: read as txt (one document: blank lines part its paragraphs)",)
    put("short.txt", "just\ntwo lines\n")
    with pytest.raises(TailorError, match=r"--format txt .* or --format lines"):
        read("short.txt")
    assert len(read("short.txt", format="txt")) == 1
    assert read("short.txt", format="lines").column("text") == ["just", "two lines"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# First\n\ntext", "First"),
        ("text\n\nUnder\n=====\n\n# Later", "Under"),
        ("---\nauthor: x\ntitle: 'The front'\n---\n# First\n", "The front"),
        ("---\nauthor: x\n---\n\n## Second level\n", "Second level"),
        ("```\n# a comment\n```\n### Real ###\n", "Real"),
        ("#hashtag\n\nno heading", "x"),
    ],
)
def test_markdown_titles(put: Put, text: str, title: str) -> None:
    assert one(put("x.md", text)) == {"text": text, "title": title, "source": "x.md"}


def test_headings_by_hand() -> None:
    text = "# A\r\nx\n\nB\n---\n\n~~~~\n# no\n~~~\n# still no\n~~~~~\n## C #\n| a |\n|---|\n\n- item\n---\n    # code\n####### seven\n#"
    found = [(h.level, h.text, text[h.start : h.end]) for h in headings(text)]
    assert found == [(1, "A", "# A"), (2, "B", "B\n---"), (2, "C", "## C #"), (1, "", "#")]


PAGE = """<!DOCTYPE html><html><head><title> A  page </title><style>p {color: red}</style>
<script>if (a < b) document.write("<p>no</p>")</script></head><body>
<nav><ul><li><a href=/>Home</a></li></ul></nav>
<h1>The <em>head</em>ing</h1><p>One &amp; two&nbsp;&#8364;,<br>three
   lines.<!-- a <b>comment --></p>
<div hidden>secret</div><div style="display: none">secret</div><span aria-hidden="true">x</span>
<ul><li>first<li><p>second</p></ul><pre>  kept
   as is</pre>
<table><tr><th>a<th>b</tr><tr><td><p>1</p></td><td>2</td></tr></table>
<p>un<b>bro</b>ken</p>tail<footer>imprint</footer></body></html>"""


def test_html_by_hand(put: Put) -> None:
    assert one(put("x.html", PAGE)) == {
        "text": "# The heading\n\nOne & two\xa0€,\nthree lines.\n\n- first\n- second\n\n```\n  kept\n   as is\n```\n\n"
        "a | b\n1 | 2\n\nunbroken\n\ntail",
        "title": "A page",
        "source": "x.html",
    }


def test_html_that_is_broken(put: Put) -> None:
    rows = read(put("x.html", "<p>text<nav>swallowed<p>too"))
    assert rows.column("text") == ["text"]
    assert rows.notes == ("x.html: <nav> is never closed; what follows it was left out",)
    assert read(put("y.htm", "a <b c< d & e")).column("text") == ["a <b c< d & e"]
    put("z.xhtml", "<html><h2>t</h2>x<table><tr><td>1<tr><td>2</table>after")
    assert one("z.xhtml") == {"text": "## t\n\nx\n\n1\n2\n\nafter", "title": "t", "source": "z.xhtml"}
    with pytest.raises(TailorError, match="a web page"):
        read(put("x", PAGE))
    assert read("x", format="html")[0].values["title"] == "A page"


def test_html_tables_that_only_arrange_the_page(put: Put) -> None:
    page = (
        "<table><tr><td>menu</td><td><h1>Title</h1><p>One.<p>Two.</td></tr><tr><td>"
        "<table><tr><td>a<td>b</table>after</td><td>end</td></tr></table>tail"
    )
    assert one(put("x.html", page))["text"] == "menu\n\n# Title\n\nOne.\n\nTwo.\n\na | b\n\nafter\n\nend\n\ntail"


def test_html_encodings(put: Put) -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1"><p>“é”</p>'
    rows = read(put("x.html", page.encode("cp1252")))
    assert rows.column("text") == ["“é”"]
    assert rows.notes == ("x.html: cp1252 (as the page says of itself)",)
    assert read(put("y.html", "<meta charset=latin1><p>é</p>".encode("utf-8-sig"))).column("text") == ["é"]
    assert read(put("z.html", "<meta charset=no-such><p>é</p>")).column("text") == ["é"]
    assert read(put("w.html", "<p>é</p>".encode("cp1251", "replace")), encoding="cp1251").column("text") == ["?"]


STYLES = (
    '<w:style w:styleId="T"><w:name w:val="Title"/></w:style><w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:styleId="Mine"><w:basedOn w:val="H1"/></w:style>'
    '<w:style w:styleId="Out"><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style>'
)


def test_docx_by_hand(put: Put) -> None:
    row = "<w:tr><w:tc>{}</w:tc><w:tc>{}{}</w:tc></w:tr>"
    body = (
        paragraph("The title", '<w:pStyle w:val="T"/>')
        + paragraph("One", '<w:pStyle w:val="H1"/>')
        + paragraph("Two", '<w:pStyle w:val="Mine"/>')
        + paragraph("Three", '<w:pStyle w:val="Out"/>')
        + "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r>"
        "</w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        "<w:r><w:t> &amp; d</w:t></w:r></w:p>"
        + paragraph("i1", "<w:numPr/>")
        + paragraph("i2", "<w:numPr/>")
        + paragraph("")
        + f"<w:tbl>{row.format(paragraph('x'), paragraph('y'), paragraph('z'))}{row.format(paragraph('1'), '', paragraph('2'))}"
        + "</w:tbl><w:p><w:r><mc:AlternateContent><mc:Choice><w:t>box</w:t></mc:Choice><mc:Fallback><w:t>box</w:t>"
        "</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert one(put("x.docx", docx(body, styles=STYLES))) == {
        "text": "# The title\n\n# One\n\n# Two\n\n### Three\n\na\tb\nc & d\n\n- i1\n- i2\n\nx | y z\n1 | 2\n\nbox",
        "title": "The title",
        "source": "x.docx",
    }
    assert one(put("y.docx", docx(body, styles=STYLES, title="Of the properties")))["title"] == "Of the properties"
    assert one(put("z.docx", docx(paragraph("  text "))))["title"] == "z"


def test_docx_whose_main_part_stands_elsewhere(put: Put) -> None:
    plain = docx(paragraph("inner"))
    links = '<R><Relationship Type="http://x/officeDocument/2006/relationships/officeDocument" Target="/w2/d.xml"/></R>'
    moved = docx(
        "",
        more={"_rels/.rels": links, "w2/d.xml": '<w:d xmlns:w="strict"><w:p><w:r><w:t>strict</w:t></w:r></w:p></w:d>'},
    )
    assert one(put("a.docx", plain))["text"] == "inner"
    assert one(put("b.docx", moved))["text"] == "strict"


def test_odt_by_hand(put: Put) -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    body = (
        '<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h text:outline-level="2">Head</text:h>'
        '<text:p>a  b<text:s text:c="3"/>c<text:tab/>d<text:line-break/>e<text:span>f</text:span>'
        "<text:note><text:p>a note</text:p></text:note>\n g</text:p><text:list><text:list-item><text:p>one</text:p>"
        "<text:list><text:list-item><text:p>deep</text:p></text:list-item></text:list></text:list-item></text:list>"
        f"<table:table><table:table-row>{cell.format('1')}{cell.format('2')}</table:table-row></table:table>"
    )
    assert one(put("x.odt", odt(body, title="T"))) == {
        "text": "## Head\n\na b   c\td\nef g\n\n- one\n- deep\n\n1 | 2",
        "title": "T",
        "source": "x.odt",
    }
    assert one(put("y.odt", odt(body)))["title"] == "Head"
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    with pytest.raises(TailorError, match="protected by a password"):
        read(put("z.odt", odt(body, more={"META-INF/manifest.xml": manifest})))


def test_documents_that_swell_honestly_are_read(put: Put) -> None:
    """A long monotonous text packs to a hundredth and is no bomb."""
    long = "".join(paragraph(f"The paragraph number {i} of a long report.") for i in range(20_000))
    content = docx(long)
    assert len(long) > 60 * len(content) / 10
    assert str(one(put("x.docx", content))["text"]).count("\n\n") == 19_999


def test_pdf_by_hand(put: Put) -> None:
    pytest.importorskip("pypdf")
    values = one(put("x.pdf", pdf(["First page", "", "Third page"], title="A title")))
    assert values == {
        "text": "First page\n\nThird page",
        "title": "A title",
        "source": "x.pdf",
        "pages": [0, 12, 12],
    }
    assert read("x.pdf").notes == ("x.pdf: 1 of 3 pages hold no text (pictures need OCR)",)
    assert one(put("y.pdf", pdf(["Text"])))["title"] == "y"
    rows = read(put("z", pdf(["Text"])))
    assert rows.notes == ("z: read as pdf (by its first bytes)",)


def test_pdf_with_a_password(put: Put) -> None:
    pypdf = pytest.importorskip("pypdf")
    put("plain.pdf", pdf(["Some text"]))
    for password, told in (("secret", "protected by a password"), ("", "")):
        writer = pypdf.PdfWriter(clone_from="plain.pdf")
        writer.encrypt(password, "owner", algorithm="RC4-128")
        writer.write("locked.pdf")
        if told:
            with pytest.raises(TailorError, match=told):
                read("locked.pdf")
        else:
            assert one("locked.pdf")["text"] == "Some text"


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("x.pdf", "pypdf", "documents"), ("x.parquet", "pyarrow", "hub")]
)
def test_a_missing_package_is_named(
    put: Put, monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TailorError) as caught:
        read(put(name, b"anything"))
    assert f"pip install 'tailorlm[{extra}]'" in str(caught.value)


def test_nothing_of_a_document_gets_into_a_log(put: Put, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("pypdf")
    broken = pdf(["private words"]).replace(b"startxref", b"startxxxx")
    with contextlib.suppress(TailorError):
        read(put("x.pdf", broken))
    with pytest.raises(TailorError) as caught:
        read(put("y.pdf", broken[:300] + b"private" * 99))
    assert "private" not in str(caught.value)
    assert caplog.text == ""


def test_many_documents_of_which_some_cannot_be_read(put: Put) -> None:
    Path("docs/sub").mkdir(parents=True)
    put("docs/a.md", "# A\n")
    put("docs/sub/b.docx", docx(paragraph("text")))
    put("docs/sub/c.docx", b"PK no zip")
    put("docs/d.txt", " \n")
    put("docs/e.txt", b"one\ntwo \xff\n")
    with pytest.raises(CheckError) as caught:
        read("docs")
    assert "5 files: 3 bad rows" in str(caught.value)
    assert "docs/sub/c.docx:1: is no DOCX document" in str(caught.value)
    assert "docs/d.txt:1: holds no text" in str(caught.value)
    assert "docs/e.txt:2: byte 0xFF" in str(caught.value)
    rows = read("docs", max_bad=3, quarantine="bad.jsonl")
    assert rows.column("source") == ["docs/a.md", "docs/sub/b.docx"]
    assert len(rows.bad) == 3
    with pytest.raises(TailorError, match=r"^docs/sub/c\.docx is no DOCX"):
        read("docs/sub/c.docx", max_bad=2)


@pytest.mark.parametrize(
    "page", ["<table><tr>" + "<td>x</td>" * 60_000 + "</tr></table>", "<ul><li>" + "<p>&nbsp;</p>" * 60_000 + "x</ul>"]
)
def test_a_row_of_very_many_cells_takes_linear_time(tmp_path, page):
    (tmp_path / "a.html").write_text(page)
    start = time.process_time()
    assert read(tmp_path / "a.html")[0].values["text"].endswith("x")
    assert time.process_time() - start < 8
