"""In a notebook the bar is an output of its cell: no ipywidgets, no warnings, gone at the end."""

from collections.abc import Iterator
from typing import Any

import pytest
import required
from rich.console import Console

from plausible.inference.training import progress
from plausible.inference.training.progress import announced, progress_bar, stage

CELLS = (
    "import sys, warnings, torch\n"
    "from plausible.inference import fit\n"
    "from plausible.models import MaximumLikelihood, Regressor\n"
    "warnings.simplefilter('error')\n"
    "x = torch.randn(64, 2); data = (x, x.sum(1))",
    "run = fit(Regressor((2,)), data, steps=1500, batch_size=8, validation=data, compile=False)",
    "run",
    "assert 'ipywidgets' not in sys.modules\nprint(repr(run))",
)


@pytest.mark.slow
def test_a_real_kernel_shows_a_bar_and_nothing_of_it_stays() -> None:
    nbclient, nbformat = required.module("nbclient"), required.module("nbformat")
    required.module("ipykernel")
    shown: list[dict[str, str]] = []

    class Client(nbclient.NotebookClient):
        def process_message(self, message: Any, cell: Any, index: int) -> Any:
            if message["msg_type"] in ("display_data", "update_display_data"):
                shown.append(message["content"]["data"])
            return super().process_message(message, cell, index)

    new = nbformat.v4
    notebook = new.new_notebook(cells=[new.new_code_cell(source) for source in CELLS])
    Client(notebook, timeout=300, kernel_name="python3").execute()
    assert len(shown) > 4 and "<progress" in shown[1]["text/html"]
    done = [data["text/plain"] for data in shown if "steps/s" in data["text/plain"]]
    assert "1,500/1,500" in done[-1] and "validation" in done[-1] and "left" in done[-1]
    (bar,) = notebook.cells[1].outputs
    assert dict(bar["data"]) == {"text/plain": "", "text/html": ""}
    (table,) = notebook.cells[2].outputs
    assert "data:image/png" in table["data"]["text/html"]
    assert table["data"]["text/plain"].startswith("<Fit of Regressor: steps 1,500")
    streams = [o for cell in notebook.cells for o in cell.outputs if o["output_type"] == "stream"]
    (stream,) = streams  # what the last cell prints
    assert stream["name"] == "stdout" and stream["text"].startswith("<Fit of")
    assert not any("widget" in mime for data in shown for mime in data)


class Handle:
    """What IPython's `display` gives, without a kernel."""

    def __init__(self, first: dict[str, str]) -> None:
        self.history = [first]

    def update(self, data: dict[str, str], raw: bool) -> None:
        self.history.append(data)


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Handle]]:
    ipython, made = required.module("IPython.display"), list[Handle]()

    def display(data: dict[str, str], raw: bool, display_id: bool) -> Handle:
        made.append(Handle(data))
        return made[-1]

    monkeypatch.setattr(ipython, "display", display)
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(force_jupyter=True))
    yield made


def test_nested_runs_share_one_output_and_names_are_escaped(handles: list[Handle]) -> None:
    with announced("a <b> run"):
        stage("training 1 of 2")
        with progress_bar(10, 0, "eager engine") as bar:
            bar.draw(5, {"negative ELBO": 1.5}, "epoch 1 of 2")
        with progress_bar(10, 0, "eager engine") as bar:
            bar.draw(10, {"critic": 0.25, "generator": -2.0}, "epoch 2 of 2")
    (handle,) = handles
    html = [data["text/html"] for data in handle.history]
    drawn = next(text for text in html if "1.500" in text)
    assert "<b>a &lt;b&gt; run: training 1 of 2, epoch 1 of 2</b>" in drawn
    assert "<progress value='5' max='10'></progress>" in drawn and "5/10" in drawn
    assert any("critic 0.250  generator -2.000" in text for text in html)
    assert html[-1] == ""
