"""`plausible report`: cases, tables, and one sentence where something is wrong."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from plausible.fairness.cases import CASES
from plausible.fairness.counts.columns import Columns
from plausible.inference.cli import main

HEADER = "race,stops,searches,hits,day\n"
ROWS = f"""{HEADER}<b>Ä</b>,900,300,30,2020-01-01
人,700,70,7,2020-02-01
,50,5,0,2020-02-02
C,0,0,0,2020-03-01
"""
FLAGS = ("--group", "race", "--trials", "stops", "--events", "searches", "--hits", "hits")


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["report", *arguments])
    return int(stop.value.code or 0)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stops.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path / "stops.csv"


def test_the_list_names_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--list") == 0
    out = capsys.readouterr().out
    assert all(case.name in out and case.summary in out for case in CASES.values())


def test_every_column_is_an_option_with_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--help") == 0
    out = capsys.readouterr().out
    for column in dataclasses.fields(Columns):
        (line,) = (line for line in out.splitlines() if f"│ --{_option(column.name)} " in line)
        _, _, *words = line.strip(" │").split()
        assert words, f"nothing is said of --{column.name}"
    assert "--no-" not in out and "--empty-" not in out


def _option(field: str) -> str:
    return field.strip("_").replace("_", "-")


def test_a_case_is_written_as_page_numbers_and_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "new" / f"compas.{ending}" for ending in ("html", "json", "md", "csv")]
    page, numbers, text, lines = map(str, files)
    further = ("--json", numbers, "--markdown", text, "--csv", lines)
    assert status("compas", "--out", page, *further) == 0
    content = json.loads(files[1].read_text(encoding="utf-8"))
    (gap,) = (
        e
        for e in content["analyses"][0]["estimates"]
        if (e["quantity"], e["group"], e["reference"]) == ("false_positive_rate", "Black", "White")
    )
    assert (gap["value"], gap["low"], gap["high"]) == pytest.approx((0.214, 0.182, 0.245), abs=1e-3)
    assert "+21.4 points" in files[0].read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "+21.4 points" in files[2].read_text(encoding="utf-8")
    assert "scores,false_positive_rate,Black,White,,difference,0.21" in files[3].read_text()
    assert "+21.4 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ending", "start"), [("md", "# stops.csv by race"), ("json", "{"), ("csv", "analysis,")]
)
def test_the_ending_of_out_chooses_what_is_written(ending: str, start: str, table: Path) -> None:
    # Seen failing on version 0.1.0, which wrote a page whatever the ending.
    assert status(str(table), *FLAGS, "--out", f"report.{ending}") == 0
    assert Path(f"report.{ending}").read_text(encoding="utf-8").startswith(start)
    assert not Path("report.html").exists()


def test_a_mean_and_a_second_score_are_options(tmp_path: Path) -> None:
    lines = ["race,days,a,b,y"]
    lines += [
        f"{'AB'[i % 2]},{10 + 7 * (i % 2) + i % 5},{i % 7 / 7},{i % 6 / 6},{i % 3 == 0}"
        for i in range(90)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    source, target = str(tmp_path / "rows.csv"), tmp_path / "r.csv"
    of = ("--group", "race", "--out", str(target))
    assert status(source, *of, "--mean", "days") == 0
    (line,) = (x for x in target.read_text().splitlines() if ",B,A,,mean difference," in x)
    assert float(line.split(",")[6]) == pytest.approx(7, abs=0.5)  # the prior draws it in
    scores = ("--score", "a", "--versus", "b", "--threshold", "0.5", "--outcome", "y")
    assert status(source, *of, *scores) == 0
    assert "versus,auc_difference,A,,,difference," in target.read_text()


def test_a_lifetime_and_a_good_are_options(table: Path, tmp_path: Path) -> None:
    # Seen failing before: "in 50 stops", whether or not anyone had asked.
    assert status(str(table), *FLAGS, "--out", "plain.md") == 0
    assert "at least one of" not in (tmp_path / "plain.md").read_text(encoding="utf-8")
    assert status(str(table), *FLAGS, "--lifetime", "40", "--period", "year", "--out", "l.md") == 0
    assert "in 40 years" in (tmp_path / "l.md").read_text(encoding="utf-8")
    assert status(str(table), *FLAGS, "--good", "--out", "good.md") == 0
    assert "in vain" not in (tmp_path / "good.md").read_text(encoding="utf-8")
    assert "in vain" in (tmp_path / "plain.md").read_text(encoding="utf-8")
    assert status(str(table), *FLAGS, "--period", "year") > 0


def test_a_table_of_counts_is_reported(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(str(table), *FLAGS, "--json", "numbers.json") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "The rate of searches among stops is lower for 人" in out
    assert "Nothing is said about C" not in out  # bookkeeping is no finding
    assert "errors of decisions: it needs a decision" in out
    page = Path("report.html").read_text(encoding="utf-8")
    assert "Nothing is said about C: no stops were counted there." in page
    assert "&lt;b&gt;Ä&lt;/b&gt;" in page and "<b>Ä</b>" not in page
    content = json.loads(Path("numbers.json").read_text(encoding="utf-8"))
    assert content["analyses"][0]["counts"]["missing"] == {
        "rows": 1, "values": 0, "trials": 50, "events": 5, "hits": 0,
    }  # fmt: skip
    assert "without a race" in page


@pytest.mark.parametrize(
    ("text", "arguments", "sentence", "code"),
    [
        (ROWS, ("--group", "rase", *FLAGS[2:]), "Unknown column 'rase'. Did you mean 'race'?", 2),
        (ROWS, FLAGS[2:], "Name it with --group.", 2),
        (ROWS, ("--group", "race"), "Nothing to count", 3),
        (ROWS, ("--group", "race", "--trials", "hits", "--events", "stops"), "hits ≥ stops", 3),
        (ROWS, (*FLAGS, "--reference", "Ä"), "Unknown race 'Ä'", 2),
        (ROWS, (*FLAGS, "--date", "race"), "not dates", 3),
        (ROWS, (*FLAGS, "--date", "day", "--since", "1.1.2020"), "'1.1.2020' is not a day", 3),
        (ROWS, (*FLAGS, "--out", "stops.csv"), "would overwrite the table", 2),
        (ROWS, (*FLAGS, "--json", "."), ". is a folder", 2),
        (ROWS, (*FLAGS, "--out", "new.md", "--json", "./new.md"), "a file each", 2),
        (ROWS, (*FLAGS, "--json", "new", "--csv", "./new"), "a file each", 2),
        (ROWS, (*FLAGS, "--out", "page.docx"), "'page.docx' ends in '.docx'", 2),
        (ROWS, (*FLAGS, "--out", "page"), "'page' has no ending", 2),
        (ROWS, (*FLAGS, "--seed", "-1"), "from 0 up, but is -1", 3),
        (ROWS, ("--group", "race", "--score", "stops", "--outcome", "hits"), "threshold", 3),
        (ROWS.replace("900", "-900"), FLAGS, "negative value -900", 3),
        (ROWS.replace("900", "900.5"), FLAGS, "fractional", 3),
        (ROWS.replace("900", "many"), FLAGS, "'many' in column 'stops' is neither yes nor no", 3),
        (HEADER, FLAGS, "stops.csv has no rows to count.", 3),
        (HEADER + "C,0,0,0,\n", FLAGS, "There are no stops in any race", 3),
        ("", FLAGS, "stops.csv is empty.", 3),
        ("PAR1", FLAGS, "is a Parquet file", 3),
    ],
)
def test_bad_input_is_one_sentence_and_no_page(
    text: str,
    arguments: tuple[str, ...],
    sentence: str,
    code: int,
    table: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Seen failing for --out stops.csv, which replaced the table by the page.
    table.write_text(text, encoding="utf-8")
    assert status(str(table), *arguments) == code
    err = capsys.readouterr().err
    assert sentence in err and err.startswith("plausible: ") and err.count("\n") == 1
    assert "Traceback" not in err and "Error:" not in err
    assert [p.name for p in table.parent.iterdir()] == ["stops.csv"]
    assert table.read_text(encoding="utf-8") == text


def test_a_file_of_the_folder_that_is_read_is_kept(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen failing when only the folder itself was compared with the page.
    (part := table.parent / "part.parquet").write_bytes(b"rows")
    assert status(str(table.parent), *FLAGS, "--json", "part.parquet") == 2
    assert "would overwrite the table" in capsys.readouterr().err
    assert part.read_bytes() == b"rows"


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (("compsa",), "Unknown case 'compsa'. Did you mean 'compas'?", 2),
        (("none.csv", "--group", "race", "--events", "hits"), "There is no file none.csv.", 3),
        (("compas", "--group", "race"), "takes no columns", 2),
        (("compas", "--threshold", "0"), "takes no columns", 2),
        (("compas", "--seed", "1"), "has its own counts and seed", 2),
        (("compas", "--since", "2020-01-01"), "takes no columns", 2),
    ],
)
def test_what_is_no_case_and_no_file(
    arguments: tuple[str, ...],
    sentence: str,
    code: int,
    table: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status(*arguments) == code
    assert sentence in capsys.readouterr().err


ADMITTED = "sex,admit,n\nmen,Admitted,512\nmen,Rejected,313\nwomen,Admitted,89\nwomen,Rejected,19\n"
ADMISSION = ("--group", "sex", "--events", "admit")
SAID = ("--yes", "Admitted", "--no", "Rejected", "--count", "n")


def first_counts(file: str) -> dict[str, Any]:
    counts: dict[str, Any] = json.loads(Path(file).read_text("utf-8"))["analyses"][0]["counts"]
    return counts


@pytest.mark.parametrize(
    ("text", "arguments", "table"),
    [
        (ADMITTED, (*ADMISSION, *SAID),
         {"group": ["men", "women"], "trials": [825, 108], "events": [512, 89]}),
        (ADMITTED, (*ADMISSION, *SAID, "--missing", "512"),
         {"group": ["men", "women"], "trials": [313, 108], "events": [0, 89]}),
        (ADMITTED, (*ADMISSION, "--no", "Rejected", "--weight", "n"),
         {"group": ["men", "women"], "trials": pytest.approx([825**2 / (512**2 + 313**2),
          108**2 / (89**2 + 19**2)]), "events": pytest.approx([825 * 512 / (512**2 + 313**2),
          108 * 89 / (89**2 + 19**2)])}),
        (ROWS, (*FLAGS, "--keep-missing"),
         {"group": ["<b>Ä</b>", "C", "人", "not recorded"], "trials": [900, 0, 700, 50]}),
        (ROWS, (*FLAGS, "--only", "人", "--only", "C"), {"group": ["C", "人"], "trials": [0, 700]}),
        (ROWS, (*FLAGS, "--except", "C"), {"group": ["<b>Ä</b>", "人"], "trials": [900, 700]}),
        (ROWS.replace("900", "1.900"), (*FLAGS, "--thousands", "."),
         {"group": ["<b>Ä</b>", "C", "人"], "trials": [1900, 0, 700]}),
        ("Stops\n" + ROWS + "Source: x\n", (*FLAGS, "--skip", "1", "--skip-end", "1"),
         {"group": ["<b>Ä</b>", "C", "人"], "trials": [900, 0, 700]}),
        (ROWS.removeprefix(HEADER), (*FLAGS, "--names", "race,stops,searches,hits,day"),
         {"group": ["<b>Ä</b>", "C", "人"], "trials": [900, 0, 700]}),
        (ROWS.replace("race", '"race, as seen"'),
         ("--group", "race, as seen", *FLAGS[2:], "--except", "C"),
         {"group": ["<b>Ä</b>", "人"], "trials": [900, 700]}),
        (ROWS.replace("race", '"race, as seen"'),
         ("--group", "race, as seen", "--group", "day", *FLAGS[2:], "--except", "C"),
         {"group": ["<b>Ä</b>, 2020-01-01", "人, 2020-02-01"], "trials": [900, 700]}),
    ],
)  # fmt: skip
def test_what_is_said_of_a_table_changes_what_is_counted(
    text: str, arguments: tuple[str, ...], table: dict[str, Any], tmp_path: Path
) -> None:
    (file := tmp_path / "table.csv").write_text(text, encoding="utf-8")
    numbers, page = str(tmp_path / "numbers.json"), str(tmp_path / "page.html")
    assert status(str(file), *arguments, "--json", numbers, "--out", page) == 0
    got = first_counts(numbers)["table"]
    assert {name: got[name] for name in table} == table


def test_letters_of_another_encoding_are_read(tmp_path: Path) -> None:
    (file := tmp_path / "table.csv").write_bytes(ROWS.replace("人", "ß").encode("latin-1"))
    page = str(tmp_path / "page.md")
    assert status(str(file), *FLAGS, "--encoding", "latin-1", "--out", page) == 0
    assert "ß" in Path(page).read_text("utf-8")


def test_stops_that_lack_a_number_are_told_by_group_and_not_as_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # "no stops were counted there" before, of 250 stops that were left out.
    text = "race,stops,searches\nBlack,100,10\nWhite,200,\nAsian,50,\nOther,0,0\nAll,350,10\n"
    (file := tmp_path / "table.csv").write_text(text)
    page, numbers = tmp_path / "page.md", str(tmp_path / "numbers.json")
    arguments = ("--group", "race", "--trials", "stops", "--events", "searches")
    assert status(str(file), *arguments, "--out", str(page), "--json", numbers) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "100 stops in 4 groups of race. A further 250 stops lack a value that is" in out
    text = page.read_text("utf-8")
    assert "Nothing is said about Asian and White: their 250 stops lack a value" in text
    assert "Nothing is said about Other: no stops were counted there." in text
    told = "250 of the 350 stops have no number of searches and are left out: 50 of 50 of Asian"
    assert told in text and "“All”" in text
    assert first_counts(numbers)["lost"] == {"White": 200, "Asian": 50}
