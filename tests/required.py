"""What some tests need besides the extra `test`: where it is missing they skip, or fail.

They fail where the variable PLAUSIBLE_REQUIRE is 1, as it is before a change lands.
"""

import glob
import importlib
import os
import shutil
from typing import Any

import pytest

__all__ = ["module", "program"]


def module(name: str) -> Any:
    """A module of the extra `peers`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return _missing(f"{name} is not installed: pip install -e '.[test,peers]'")


def program(*names: str, besides: str = "") -> str:
    """The path of the first of these programs that is installed.

    Args:
        names: of programs on the path.
        besides: further folders, as a pattern, such as "/usr/lib/postgresql/*/bin".
    """
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *sorted(glob.glob(besides))])
    paths = [path for name in names if (path := shutil.which(name, path=folders))]
    return paths[0] if paths else str(_missing(f"{' or '.join(names)} is not installed"))


def _missing(reason: str) -> Any:
    if os.environ.get("PLAUSIBLE_REQUIRE") == "1":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)
