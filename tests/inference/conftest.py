"""Lets the tests of this folder import `toys`, here and in processes that they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
