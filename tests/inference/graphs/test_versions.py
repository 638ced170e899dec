"""What the compiled engine uses of PyTorch's unstable parts is as it was when it was written."""

import inspect
from pathlib import Path

import torch
import torch.compiler.config
from torch._inductor import config, standalone_compile
from torch._inductor.standalone_compile import CompiledArtifact
from torch.fx.experimental.proxy_tensor import make_fx

from plausible.inference.graphs.capture import TESTED
from plausible.inference.graphs.inductor import _settings


def test_the_installed_pytorch_is_one_that_the_engine_was_tested_with() -> None:
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    assert TESTED[0] <= release <= TESTED[1]


def test_the_oldest_version_that_may_be_installed_is_the_oldest_that_was_tested() -> None:
    asked = (Path(__file__).parents[3] / "setup.cfg").read_text()
    assert f"torch>={'.'.join(map(str, TESTED[0]))}\n" in asked


def test_the_functions_and_settings_that_the_engine_uses_exist() -> None:
    assert "tracing_mode" in inspect.signature(make_fx).parameters
    assert "dynamic_shapes" in inspect.signature(standalone_compile).parameters
    assert {"path", "format"} <= set(inspect.signature(CompiledArtifact.save).parameters)
    assert {"path", "format"} <= set(inspect.signature(CompiledArtifact.load).parameters)
    known = (
        config.get_config_copy()
        if hasattr(config, "get_config_copy")
        else config.shallow_copy_dict()
    )
    assert set(_settings(small=True)) | set(_settings(small=False, cuda=True)) <= set(known)
    assert "cache_key_tag" in torch.compiler.config.get_config_copy()


def test_normal_draws_come_by_16_so_that_rows_padded_to_it_do_not_depend_on_each_other() -> None:
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(0)
        together = torch.empty(5, 48, dtype=dtype).normal_()
        torch.manual_seed(0)
        one_by_one = torch.stack([torch.empty(48, dtype=dtype).normal_() for _ in range(5)])
        assert torch.equal(together, one_by_one)
        torch.manual_seed(0)  # without the padding they would depend on each other
        loose = torch.stack([torch.empty(41, dtype=dtype).normal_() for _ in range(5)])
        torch.manual_seed(0)
        assert not torch.equal(torch.empty(5, 41, dtype=dtype).normal_(), loose)


def test_the_fused_optimisers_skip_a_step_where_they_are_told_that_something_is_not_finite() -> (
    None
):
    for kernel in (torch._fused_adam_, torch._fused_adamw_):
        p, g, m, v = (torch.full((3,), x) for x in (1.0, 2.0, 0.0, 0.0))
        options = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "eps": 1e-8}
        steps = [torch.ones(())]
        for found, moved in ((1.0, 1.0), (0.0, 0.9)):
            kernel(
                [p], [g], [m], [v], [], steps, amsgrad=False, maximize=False,
                found_inf=torch.tensor(found), **options,
            )  # fmt: skip
            torch.testing.assert_close(p, torch.full((3,), moved))
