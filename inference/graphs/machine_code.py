"""The machine code of a function of flat tensors: kept by an earlier run, or compiled."""

from collections.abc import Sequence

from torch import Tensor

from plausible.inference.graphs.background import Compilation
from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.inductor import (
    Code,
    Compilable,
    artifact_path,
    check_compiler,
    key_of,
    load_artifact,
)

__all__ = ["MachineCode"]


class MachineCode:
    """The code of a function for inputs of these shapes, from the cache or from another process.

    Args:
        function: of flat tensors; it can be pickled, and its `described()` says what it does.
        inputs: examples.
        small: whether the code runs on one thread.

    Attributes:
        seconds: what compiling took; 0 where the code was kept.

    Raises:
        Refused: if there is no C++ compiler.
    """

    def __init__(self, function: Compilable, inputs: Sequence[Tensor], small: bool) -> None:
        check_compiler()
        self._job = function, list(inputs), artifact_path(key_of(function, inputs, small)), small
        self._compilation: Compilation | None = None
        self.seconds = 0.0

    @property
    def name(self) -> str:
        """What the code is known by."""
        return self._job[2].stem

    def kept(self) -> bool:
        """Whether the code is in the cache."""
        return self._job[2].exists()

    def begin(self) -> None:
        """Begin to compile in another process.

        Raises:
            Refused: if the process cannot be started.
        """
        self._compilation = Compilation(*self._job)

    def done(self) -> bool:
        """Whether what was begun is finished.

        Raises:
            Refused: if it failed; says why.
        """
        return self._compilation is None or self._compilation.done()

    def wait(self) -> None:
        """Wait for what was begun.

        Raises:
            Refused: if it failed; says why.
        """
        if self._compilation is not None:
            self._compilation.wait()

    def load(self) -> Code | None:
        """The code; None where the file of an earlier run is damaged: then compiling has begun.

        Raises:
            Refused: if what was compiled just now cannot be loaded.
        """
        compilation, self._compilation = self._compilation, None
        if compilation is not None:
            self.seconds += compilation.seconds
        path = self._job[2]
        try:
            return load_artifact(path)
        except Exception as error:
            path.unlink(missing_ok=True)
            if compilation is not None:
                raise Refused(f"its code cannot be loaded ({type(error).__name__})") from error
            self.begin()
            return None

    def obtain(self) -> Code:
        """The code, however long it takes.

        Raises:
            Refused: if it cannot be compiled or loaded.
        """
        if not self.kept():
            self.begin()
        while True:
            self.wait()
            code = self.load()
            if code is not None:
                return code

    def stop(self) -> None:
        """End what was begun."""
        if self._compilation is not None:
            self._compilation.stop()
            self._compilation = None
