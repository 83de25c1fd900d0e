"""What a user sees when something is wrong: one line, the right exit code, no traceback.

Exit codes: 0 done; 2 bad usage or bad input; 1 anything else (a full disk, say).
"""

import errno
import sys
from collections.abc import Callable
from typing import NoReturn

# What is wrong with a path that somebody gave.
PLACES = (errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


class UserError(Exception):
    """Bad usage or bad input. The message is one line that names the file, key or value and what was expected."""


def fail(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)


def guarded(function: Callable[[], object]) -> None:
    """Call ``function``; turn what a user can mend into one line on stderr and exit code 2 (1 for the disk)."""
    try:
        function()
    except UserError as error:
        fail(str(error), 2)
    except OSError as error:
        if error.errno in PLACES and error.filename:
            fail(f"{error.filename}: {error.strerror}", 2)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        fail(f"{error.strerror}{where}; free some space and run the same command again: nothing was lost", 1)
