"""Structured logs: one JSON object a line on standard output, without personal data.

Code logs an event's name and facts that name nobody (ids, codes, counts). The processors here are
the last line of defence for when somebody forgets.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import TYPE_CHECKING, Final

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

DROPPED: Final = "[dropped]"
MAX_FRAMES: Final = 12
"""Innermost stack frames that are logged of an exception."""
MAX_MESSAGE: Final = 300
"""Characters that are logged of an exception's message."""

_PERSONAL_WORDS: Final = frozenset(
    {
        "address", "authorization", "birthdate", "birthday", "contact", "contacts", "cookie",
        "email", "iban", "landline", "mail", "mobile", "passport", "password", "phone", "phones",
        "secret", "telephone", "token", "wechat", "whatsapp",
    }
)  # fmt: skip
_PERSONAL_KEYS: Final = frozenset(
    {
        "body", "customer_name", "display_name", "family_name", "first_name", "full_name",
        "given_name", "headers", "last_name", "name", "payload", "private_key",
    }
)  # fmt: skip
_SEPARATORS: Final = re.compile(r"[_\-. ]+|(?<=[a-z])(?=[A-Z])")
_EMAIL: Final = re.compile(r"[^\s@<>'\"=(]+@[^\s@<>'\")]+")
_PHONE: Final = re.compile(r"(?<![\w.:-])\+?\d(?:[ ()-]?\d){7,}(?![\w:-])")


def configure_logging(
    service: str, environment: str, level: str, trace_id: Callable[[], str | None]
) -> None:
    """Send every log of this process, of the libraries too, as JSON to standard output.

    `trace_id` tells the trace that is under way when something is logged.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Origin(service, environment, trace_id),
        summarise_exception,
        drop_personal_data,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dump)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _StandardOutput()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _mask_event, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dump),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "aiokafka", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def drop_personal_data(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the value of every key that names personal data or a secret, at any depth."""
    return {key: DROPPED if _is_personal(key) else _scrub(value) for key, value in event.items()}


def summarise_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into the exception's types, masked messages and places in the code."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    elif error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = _summary(error)
    return event


def mask(text: str) -> str:
    """`text` with e-mail addresses and telephone numbers replaced."""
    return _PHONE.sub("[number]", _EMAIL.sub("[e-mail]", text))


class _StandardOutput(logging.Handler):
    """Writes to whatever standard output is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(self.format(record) + "\n")
        sys.stdout.flush()


class _Origin:
    """Says where a line comes from: service, environment and the trace that is under way."""

    def __init__(self, service: str, environment: str, trace_id: Callable[[], str | None]) -> None:
        self._service = service
        self._environment = environment
        self._trace_id = trace_id

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        event["environment"] = self._environment
        trace_id = self._trace_id()
        if trace_id is not None:
            event["trace_id"] = trace_id
        return event


def _mask_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["event"] = mask(str(event["event"]))
    return event


def _is_personal(key: str) -> bool:
    lowered = key.lower()
    return lowered in _PERSONAL_KEYS or any(
        word.lower() in _PERSONAL_WORDS for word in _SEPARATORS.split(key)
    )


def _scrub(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: DROPPED if _is_personal(str(key)) else _scrub(inner)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_scrub(inner) for inner in value]
    return value


def _summary(error: BaseException) -> dict[str, object]:
    # The first line only: PostgreSQL puts the offending row, and pydantic the input, below it.
    message = mask(str(error).partition("\n")[0])[:MAX_MESSAGE]
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    summary: dict[str, object] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": message,
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        summary["cause"] = _summary(cause)
    if isinstance(error, BaseExceptionGroup):
        summary["errors"] = [_summary(inner) for inner in error.exceptions]
    return summary


def _dump(value: object, **_: object) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
