"""What is raised where a dataset is not as expected, wherever in `data` that shows."""


class DataError(ValueError):
    """A dataset is not as expected: one line that says what is wrong, where, and what to do.

    Names of files and classes are other people's: whatever in the message would begin a new line
    or steer a terminal is shown by its code.

    >>> print(DataError("two\\nlines"))
    two\\nlines
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """A text that was not written here, with codes for what would begin a line or steer a terminal.

    >>> print(printable("a\\tb"))
    a\\tb
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
