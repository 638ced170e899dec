"""`plausible report` with further tables and groups: each option changes what is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plausible.inference.cli import main

ROWS = 400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    race = random.choice(["Black", "White"], ROWS)
    searched = random.random(ROWS) < 0.4
    pd.DataFrame(
        {
            "race": race,
            "code": np.where(race == "Black", 1, 2),
            "sex": random.choice(["men", "women"], ROWS),
            "age": random.integers(16, 70, ROWS),
            "searched": searched,
            "found": searched & (random.random(ROWS) < 0.2),
        }
    ).to_csv("stops.csv", index=False)
    Path("use.csv").write_text("race,use\nBlack,0.5\nWhite,0.52\n")
    Path("theft.csv").write_text("race,theft\nBlack,0.3\nWhite,0.3\n")
    Path("costs.csv").write_text(
        "action,outcome,low,high\nsearch,yes,0,0\nsearch,no,1,2\nlet go,yes,3,5\nlet go,no,0,0\n"
    )
    return tmp_path


def reported(*options: str) -> dict[str, Any]:
    flags = ("--group", "race", "--events", "searched", "--hits", "found", "--out", "page.json")
    with pytest.raises(SystemExit) as stop:
        main(["report", "stops.csv", *flags, *options])
    assert not stop.value.code
    content: dict[str, Any] = json.loads(Path("page.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.usefixtures("folder")
def test_each_further_table_adds_its_analysis() -> None:
    before = {analysis["name"] for analysis in reported()["analyses"]}
    for option, file, name in (
        ("--survey", "use.csv", "detection"),
        ("--costs", "costs.csv", "decisions"),
        ("--offenders", "theft.csv", "found-out"),
    ):
        content = reported(option, file)
        assert {analysis["name"] for analysis in content["analyses"]} - before == {name}
        assert option not in json.dumps(content["skipped"])


@pytest.mark.usefixtures("folder")
def test_features_are_chosen_and_ignored() -> None:
    def used(*options: str) -> set[str]:
        (made,) = (a for a in reported(*options)["analyses"] if a["name"] == "proxies")
        text = json.dumps(made)
        return {
            name
            for name in ("age", "code", "sex")
            if f'"column": "{name}"' in text or f'"{name}"' in json.dumps(made["tables"])
        }

    assert used() == {"age", "sex"}
    assert used("--ignore", "age,code") == {"sex"}
    assert used("--features", "age, code") == {"age", "code"}


@pytest.mark.usefixtures("folder")
def test_further_groups_are_analysed_on_the_same_page() -> None:
    content = reported("--also", "sex")
    alone = reported()
    by = {a["title"]: a for a in content["analyses"]}
    assert len(by) == len(content["analyses"]) == 2 * len(alone["analyses"])
    assert by["Base rates, by race"]["estimates"] == alone["analyses"][0]["estimates"]
    assert {e["group"] for e in by["Base rates, by sex"]["estimates"]} >= {"men", "women"}
    surveyed = reported("--also", "sex", "--survey", "use.csv")
    assert [a["title"] for a in surveyed["analyses"] if a["name"] == "detection"]
    assert content["title"] == "stops.csv by race, and by sex"
    assert "2 groups of race" in content["lead"] and "2 groups of sex" in content["lead"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--also", "race"), "race is named twice"),
        (("--also", "sexx"), "Did you mean 'sex'"),
        (("--survey", "none.csv"), "There is no file none.csv"),
        (("--features", "agee"), "Did you mean 'age'"),
        (("--features", "age", "--ignore", "age"), "'age' is ignored"),
        (("--costs", "costs.json", "--json", "costs.json"), "would overwrite the table costs.json"),
        (("--costs", "sqlite://x.db?table=t", "--json", "x.db"), "would overwrite the table"),
    ],
)
def test_options_that_cannot_be_carried_out_are_a_sentence(
    options: tuple[str, ...], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["report", "stops.csv", "--group", "race", "--events", "searched", *options])
    assert stop.value.code
    assert sentence in capsys.readouterr().err
    assert not (folder / "report.html").exists()


def test_a_case_takes_no_further_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["report", "compas", "--survey", "use.csv"])
    assert "has its own counts" in capsys.readouterr().err
