"""transformers and peft without their own bars and reports, where these say nothing to a user of guerdon."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

AT_ONCE = 1 << 28
"""So many bytes are read or written before a bar would be of use."""


@contextmanager
def quiet(size: int) -> Iterator[None]:
    """Only errors of transformers and peft inside, and a progress bar only for more bytes than AT_ONCE."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    if size < AT_ONCE:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
