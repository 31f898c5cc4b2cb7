"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replaced(file: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which gets its name when all of it is there."""
    with tempfile.NamedTemporaryFile(
        dir=file.parent, prefix=f".{file.name}.", delete=False
    ) as part:
        try:
            yield part
            part.close()
            os.chmod(part.name, 0o644)
            os.replace(part.name, file)
        except BaseException:
            os.unlink(part.name)
            raise
