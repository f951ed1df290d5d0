"""Warnings of others that say nothing to a user, kept from him without touching those of a case.

The filters of warnings belong to the process. Two threads that each change them and put back what
they found would leave the filters of one of them in force for ever.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

changing_filters = threading.RLock()


@contextmanager
def ignoring(*categories: type[Warning], module: str) -> Iterator[None]:
    """No warnings of these categories from a module, a regular expression, within the block.

    One thread at a time; warnings from elsewhere, in this thread and in others, come as before.
    """
    with changing_filters, warnings.catch_warnings():
        for category in categories:
            warnings.filterwarnings("ignore", category=category, module=module)
        yield
