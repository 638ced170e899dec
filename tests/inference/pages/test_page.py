"""A page is one valid, accessible file that loads nothing and is never half written."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from plausible.inference.pages.page import Page
from plausible.inference.pictures.curves import decomposition, forces
from plausible.models.errors import DataError

VOID = {"meta", "link", "img"}


class Reader(HTMLParser):
    """Every element with its attributes and text; fails on a tag that closes another."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is given twice"
        element = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, _, text in self._open:
            text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]

    def texts(self, tag: str) -> list[str]:
        return ["".join(text).strip() for name, _, text in self.elements if name == tag]


def small_picture() -> Figure:
    return decomposition(torch.tensor([-3.0]), torch.tensor([-3.5]), torch.tensor([0.5]))


def wide_picture() -> Figure:
    z = torch.randn(20, 2)
    titles = ["all", "no KL", "no reconstruction", "no sampling"]
    return forces(dict.fromkeys(titles, (z, None)), dict.fromkeys(titles, "KL 1.0"))


def full_page() -> Page:
    page = Page("Digits & dots", "Learned from 5,000 digits.")
    page.facts({"digits": "5,000", "seconds": 12})
    page.section("Latent space", "First paragraph.\n\nSecond one\nof two lines.")
    page.picture(small_picture(), "Bars.", "One stacked bar.")
    page.picture(wide_picture(), "Four clouds.", "Four scatter plots.")
    page.section("Numbers", "")
    page.table(
        ["objective", "KL", "change", "note"],
        [["all", 6.3, "−0.4", "fine"], ["no KL", 46.6, "+12 %", "2 of 3"]],
        "Nats per datum.",
    )
    page.link("All files", "../runs/vae/")
    return page


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "demo" / "index.html"
    return full_page().write(path).read_text(encoding="utf-8")


def test_page_is_well_formed_and_says_its_language_title_and_width(html: str) -> None:
    assert html.startswith("<!DOCTYPE html>\n")
    page = Reader(html)
    assert page.all("html") == [{"lang": "en"}]
    assert page.texts("title") == page.texts("h1") == ["Digits & dots"]
    assert page.texts("h2") == ["Latent space", "Numbers"]
    assert {"charset": "utf-8"} in page.all("meta")
    assert any(
        meta.get("name") == "viewport" and "width=device-width" in (meta["content"] or "")
        for meta in page.all("meta")
    )
    assert "First paragraph." in page.texts("p") and "Second one\nof two lines." in page.texts("p")


def test_page_loads_nothing(html: str) -> None:
    page = Reader(html)
    assert "://" not in html and "@import" not in html and "<script" not in html
    assert re.findall(r"url\(", html) == []
    loaded = [a.get("src") or a.get("href") for tag in ("img", "link") for a in page.all(tag)]
    assert len(loaded) == 3 and all((address or "").startswith("data:") for address in loaded)


def test_pictures_are_whole_sharp_and_described(html: str) -> None:
    page = Reader(html)
    images = page.all("img")
    assert [image["alt"] for image in images] == ["One stacked bar.", "Four scatter plots."]
    assert page.texts("figcaption")[:2] == ["Bars.", "Four clouds."]
    for image in images:
        head, content = (image["src"] or "").split(",")
        assert head == "data:image/png;base64"
        width, height = Image.open(io.BytesIO(base64.b64decode(content))).size
        # Both sizes are rounded to whole pixels.
        assert abs(width - 2 * int(image["width"] or 0)) <= 1
        assert abs(height - 2 * int(image["height"] or 0)) <= 1


def test_a_figure_drawn_elsewhere_is_as_sharp_as_ours(tmp_path: Path) -> None:
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.add_subplot().plot([1, 2])
    page = Page("t", "l")
    page.picture(figure, "", "A line.")
    (image,) = Reader(page.write(tmp_path / "p.html").read_text()).all("img")
    assert (image["width"], image["height"]) == ("288", "192")
    content = base64.b64decode((image["src"] or "").split(",")[1])
    assert Image.open(io.BytesIO(content)).size == (576, 384)


def test_what_is_wider_than_a_phone_scrolls_by_itself_and_is_reached_by_keyboard(
    html: str,
) -> None:
    page = Reader(html)
    scrolling = [a for a in page.all("div") if "scroll" in (a.get("class") or "").split()]
    assert len(scrolling) == 2  # the wide picture and the table, not the small picture
    for region in scrolling:
        assert region["tabindex"] == "0" and region["role"] == "region"


def test_ids_are_unique_and_every_label_refers_to_one(html: str) -> None:
    everything = [attributes for _, attributes, _ in Reader(html).elements]
    ids = [a["id"] for a in everything if "id" in a]
    labels = [a["aria-labelledby"] for a in everything if "aria-labelledby" in a]
    assert len(set(ids)) == len(ids)
    assert labels and set(labels) <= set(ids)


def test_tables_name_rows_and_columns_and_set_numbers_flush_right(html: str) -> None:
    page = Reader(html)
    cells = [(tag, a, "".join(text)) for tag, a, text in page.elements if tag in ("th", "td")]
    assert [text for _, a, text in cells if a.get("scope") == "col"] == [
        "objective",
        "KL",
        "change",
        "note",
    ]
    assert [text for _, a, text in cells if a.get("scope") == "row"] == ["all", "no KL"]
    right = [text for _, a, text in cells if a.get("class") == "number"]
    assert right == ["KL", "change", "6.3", "−0.4", "46.6", "+12 %"]


def test_facts_are_pairs_of_label_and_value(html: str) -> None:
    page = Reader(html)
    pairs = list(zip(page.texts("dt"), page.texts("dd"), strict=True))
    assert pairs == [("digits", "5,000"), ("seconds", "12")]


def test_every_text_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>\"&"
    page = Page(evil, evil)
    page.facts({evil: evil})
    page.section(evil, evil)
    page.picture(small_picture(), evil, evil)
    page.table([evil], [[evil]], evil)
    page.link(evil, f"runs/{evil}")
    html = page.write(tmp_path / "page.html").read_text(encoding="utf-8")
    reader = Reader(html)
    # Seen failing with autoescape=False.
    assert reader.all("script") == []
    for tag in ("title", "h1", "h2", "dt", "dd", "figcaption", "th", "a"):
        assert evil in reader.texts(tag), tag
    (image,) = reader.all("img")
    assert image["alt"] == evil
    assert reader.all("a") == [{"href": f"runs/{evil}"}]


def test_page_is_the_same_on_every_run(tmp_path: Path) -> None:
    page = full_page()
    assert page.write(tmp_path / "a").read_bytes() == page.write(tmp_path / "b").read_bytes()


def test_an_empty_page_has_no_empty_section(tmp_path: Path) -> None:
    assert Reader(Page("t", "l").write(tmp_path / "p.html").read_text()).all("section") == []


def test_a_failed_write_leaves_the_old_page_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Page("old", "").write(tmp_path / "index.html")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"index.html could not be written: No space left"):
        Page("new", "").write(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_pictures_without_alt_text_ragged_tables_and_running_links_are_refused() -> None:
    page = Page("t", "l")
    with pytest.raises(DataError, match="no alt text"):
        page.picture(small_picture(), "Bars.", " ")
    with pytest.raises(DataError, match="Row 2 of the table has 1 cells for 2 headers"):
        page.table(["a", "b"], [["1", "2"], ["3"]], "")
    for href in ("javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x"):
        with pytest.raises(DataError, match="not a path"):
            page.link("run", href)


def test_a_long_page_begins_with_links_to_its_sections_and_shows_their_commands(
    tmp_path: Path,
) -> None:
    page = Page("Title", "Lead")
    for number in range(4):
        page.section(f"Part <{number}>", "Text.", f"plausible train part-{number}")
    html = page.write(tmp_path / "long.html").read_text(encoding="utf-8")
    for number in range(4):
        assert f'<a href="#section-{number + 1}">Part &lt;{number}&gt;</a>' in html
        assert f'<h2 id="section-{number + 1}">Part &lt;{number}&gt;</h2>' in html
        assert f"<code>plausible train part-{number}</code>" in html


def test_a_short_page_needs_no_contents(tmp_path: Path) -> None:
    page = Page("Title", "Lead")
    page.section("One", "Text.")
    html = page.write(tmp_path / "short.html").read_text(encoding="utf-8")
    assert "<nav" not in html and "<pre>" not in html
