"""What is missing skips a test, and fails it where everything is required."""

from pathlib import Path

import pytest
import required


@pytest.mark.parametrize(
    "missing",
    [lambda: required.module("no_such_module"), lambda: required.program("no-such-program")],
)
def test_what_is_missing_skips_or_fails(missing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAUSIBLE_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="is not installed"):
        missing()
    monkeypatch.setenv("PLAUSIBLE_REQUIRE", "1")
    with pytest.raises(pytest.fail.Exception, match="is not installed"):
        missing()


def test_what_is_there_is_given() -> None:
    assert required.module("pytest") is pytest
    assert required.program("no-such-program", "sh").endswith("/sh")


def test_a_program_may_be_in_a_folder_of_its_own(tmp_path: Path) -> None:
    (program := tmp_path / "15" / "no-such-program").parent.mkdir()
    program.touch(mode=0o755)
    assert required.program("no-such-program", besides=f"{tmp_path}/*") == str(program)
