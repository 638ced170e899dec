"""A folder that holds one run is not written over by another."""

from pathlib import Path
from typing import Any

import pytest
import toys

from plausible.inference import fit
from plausible.inference.training.checkpoints import read_checkpoint
from plausible.inference.training.folders import set_aside
from plausible.models import ELBO, Adam, CheckpointError

X = toys.normal_data(9)


def trained(out: Path, data: Any = X, **more: Any) -> Any:
    return fit(toys.mean_model, data, guide=toys.mean_guide, steps=3, out=out, **more)


# Seen failing before: the first run's checkpoints were gone without a word.
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"seed": 1}, "whose seed is 0, where now it is 1"),
        ({"data": X + 1.0}, r"whose checksum is \d+, where now it is \d+"),
        ({"objective": ELBO(optimizer=Adam(0.1))}, "whose objective is ELBO.*lr=0.001"),
        ({"batch_size": 4}, "whose batch_size is 9, where now it is 4"),
    ],
)
def test_another_run_in_the_folder_is_refused_and_stays(
    more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    trained(tmp_path)
    with pytest.raises(CheckpointError, match=f"holds another run, {message}.*another out="):
        trained(tmp_path, **more)
    assert read_checkpoint(tmp_path)["settings"]["seed"] == 0
    trained(tmp_path)  # the same run, begun anew
    set_aside(tmp_path)
    trained(tmp_path, **more)
    assert read_checkpoint(tmp_path / "replaced.pt")["settings"]["seed"] == 0


def test_another_model_in_the_folder_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(CheckpointError, match="whose program is mean_model with the guide mean"):
        fit(toys.switch_model, X, guide=toys.switch_guide, steps=3, out=tmp_path)
