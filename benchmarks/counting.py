"""Time and memory of counting 20 million stops: `python benchmarks/counting.py [ROWS]`.

Writes a Parquet and a CSV file of random stops, then reports each in a process of its own, from
the start of Python to the HTML file, and prints the wall time and the largest resident memory.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

_ROWS = 20_000_000
_STOPS = """
    copy (
        select
            date '2015-01-01' + (hash(i, 1) % 1461)::int as day,
            'department ' || (hash(i, 2) % 20) as department,
            case when g < 55 then 'White' when g < 80 then 'Black' when g < 95 then 'Hispanic'
                when g < 99 then 'Asian' end as race,
            hash(i, 3) % 100 < case when g < 55 then 3 else 5 end as searched,
            hash(i, 3) % 100 < 2 and hash(i, 4) % 10 < 6 as found
        from (select i, hash(i, 0) % 100 as g from range({rows}) as rows(i))
    ) to '{path}'
"""
_COUNTING = """
import sys
from plausible.fairness import Columns, read_counts
print(read_counts(sys.argv[1], Columns(group="race", events="searched", hits="found")))
"""
_FLAGS = ("--group", "race", "--events", "searched", "--hits", "found")


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and MiB of the largest resident memory of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed.")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Print one line for each kind of file and of question."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else _ROWS
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("parquet", "csv"):
            path = Path(folder) / f"stops.{ending}"
            duckdb.sql(_STOPS.format(rows=rows, path=path))
            size = path.stat().st_size / 2**20
            print(f"{path.name}: {rows:,} rows, {size:,.0f} MiB")
            page = str(Path(folder) / "stops.html")
            report = [sys.executable, "-m", "plausible.inference.cli", "report", str(path)]
            for name, command in (
                ("counted", [sys.executable, "-c", _COUNTING, str(path)]),
                ("reported", [*report, *_FLAGS, "--out", page]),
            ):
                seconds, memory = measured(command)
                print(f"  {name:9} {seconds:6.1f} s  {memory:6.0f} MiB", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
