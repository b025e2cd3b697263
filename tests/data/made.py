"""Documents for tests, made byte by byte: a test must not need Word, LibreOffice or a PDF printer."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
ODF = "urn:oasis:names:tc:opendocument:xmlns:"


def zipped(entries: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def docx(body: str, *, styles: str = "", title: str = "", more: Mapping[str, str | bytes] | None = None) -> bytes:
    """A DOCX whose main part has the XML `body` (prefix w) inside its w:body."""
    entries: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships><Relationship Type="{REL}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<?xml version="1.0"?><w:document xmlns:w="{W}" xmlns:mc="mc"><w:body>{body}</w:body></w:document>',
    }
    if styles:
        entries["word/styles.xml"] = f'<w:styles xmlns:w="{W}">{styles}</w:styles>'
    if title:
        entries["docProps/core.xml"] = f'<cp:x xmlns:cp="cp" xmlns:dc="dc"><dc:title>{title}</dc:title></cp:x>'
    return zipped({**entries, **(more or {})})


def paragraph(text: str, properties: str = "") -> str:
    """A paragraph of a DOCX with one run."""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space='preserve'>{text}</w:t></w:r></w:p>"


def odt(body: str, *, title: str = "", more: Mapping[str, str | bytes] | None = None) -> bytes:
    """An ODT whose content has the XML `body` (prefixes text, table, office) inside its office:text."""
    names = " ".join(f'xmlns:{p}="{ODF}{p}:1.0"' for p in ("office", "text", "table"))
    entries: dict[str, str | bytes] = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document-content {names}><office:body><office:text>{body}</office:text></office:body>"
        "</office:document-content>",
    }
    if title:
        entries["meta.xml"] = f'<office:x {names} xmlns:dc="dc"><dc:title>{title}</dc:title></office:x>'
    return zipped({**entries, **(more or {})})


def pdf(pages: Sequence[str], *, title: str = "") -> bytes:
    """A PDF with a line of text on each page (ASCII; '' for a page without any)."""
    objects: list[bytes] = []
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for i, text in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents {5 + 2 * i} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        drawn = f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode() if text else b"0 0 50 50 re f"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
    info = f" /Info {len(objects) + 1} 0 R" if title else ""
    if title:
        objects.append(f"<< /Title ({title}) >>".encode())
    out, starts = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % start for start in starts)
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R{info} >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(out)
