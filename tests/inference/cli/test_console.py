"""Warnings of a command: those of the project are sentences, others are left as they are."""

import warnings

import pytest

from plausible.inference import TrainingWarning
from plausible.inference.cli.console import warnings_as_sentences


def test_a_warning_of_the_project_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    shown = warnings.showwarning
    with pytest.warns(UserWarning, match="Something else") as others, warnings_as_sentences():
        warnings.warn("The loss was still falling.", TrainingWarning, stacklevel=1)
        warnings.warn("Something else.", UserWarning, stacklevel=1)
    assert warnings.showwarning is shown and len(others) == 1
    assert capsys.readouterr().err == "plausible: The loss was still falling.\n"
