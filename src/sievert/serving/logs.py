"""Log lines for people or for machines. They never hold a post's text, a key or a secret."""

import datetime as dt
import logging
import sys

import msgspec


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            # The message of a foreign exception may quote its input: the type has to do.
            line["exception"] = record.exc_info[0].__name__
        return msgspec.json.encode(line).decode()


class ConsoleLines(logging.Formatter):
    """Time, level and message."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).strftime("%H:%M:%S")
        kind = f" ({record.exc_info[0].__name__})" if record.exc_info and record.exc_info[0] else ""
        return f"{at} {record.levelname.lower():7} {record.getMessage()}{kind}"


def set_up_logging(*, form: str, level: str) -> None:
    """Send the log to standard error, in this form, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else ConsoleLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # These report every request with its whole address, or their own start and end: too much, too telling.
    for chatty in ("httpx", "httpcore", "uvicorn", "alembic", "numba"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
