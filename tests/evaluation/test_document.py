"""docs/benchmarks.md: sections beside each other, with their pictures."""

from pathlib import Path

from scripts.document import slug, write_section


def test_a_section_is_replaced_with_its_pictures(tmp_path: Path) -> None:
    """Writing a section again changes that section alone; its plots lie beside the document."""
    document, plot = tmp_path / "docs" / "benchmarks.md", tmp_path / "x.png"
    plot.write_bytes(b"one")
    write_section("First", "python a", "old", document, plots=[plot])
    write_section("Second", "python b", "stays", document)
    plot.write_bytes(b"two")
    write_section("First", "python a", "new", document, plots=[plot])
    text = document.read_text()
    assert "new" in text and "stays" in text and "old" not in text and text.count("## First") == 1
    assert (document.parent / "plots" / "x.png").read_bytes() == b"two"


def test_a_title_becomes_a_name() -> None:
    """Letters and digits stay, everything else is one dash."""
    assert slug("Recognition, of: Music (2)") == "recognition-of-music-2"
