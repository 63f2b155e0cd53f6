"""What happens, as log lines: for people, or a JSON object each, with the id of the run or request it belongs to.

    log = events(__name__)
    with naming(run_id="…"):
        log.info("stage ended", stage="embed", elapsed_s=12.3)

The modules say what happens through the standard library's loggers; nothing is written before an entry point says
where to.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from typing import Literal, cast

import structlog
from opentelemetry import trace
from structlog.contextvars import bound_contextvars as naming
from structlog.typing import EventDict, Processor

from conf.masking import masked_text
from ingest.errors import ConfigurationError

__all__ = ["LogsConfig", "events", "naming", "write_events", "writing_events"]

OURS = ("conf", "ingest", "serve")  # the loggers of other packages are theirs


@dataclass
class LogsConfig:
    """See conf/logs/default.yaml."""

    format: Literal["text", "json"]
    level: Literal["debug", "info", "warning", "error"]
    file: str | None

    @property
    def for_people(self) -> bool:
        """Whether they stand between the lines that a program prints for people."""
        return self.format == "text" and self.file is None


def events(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes what belongs to an event by name."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
    )
    return cast(structlog.stdlib.BoundLogger, logger)


def write_events(config: LogsConfig, **always: str) -> logging.Handler:
    """Write the events of this process from now on, in place of what was said before; `always` stands on every line.

    Raises ConfigurationError for a file that cannot be written.
    """
    try:
        handler = WatchedFileHandler(config.file, encoding="utf-8") if config.file else logging.StreamHandler()
    except OSError as error:
        raise ConfigurationError(f"logs.file={config.file} cannot be written: {error.strerror}") from error
    handler.set_name(__name__)
    coloured = not config.file and sys.stderr.isatty()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                lambda _, __, event: {**always, **event},
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _name_the_span,
                structlog.processors.format_exc_info,
                _mask,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(config, coloured)],
        )
    )
    for name in OURS:
        logger = logging.getLogger(name)
        for earlier in [found for found in logger.handlers if found.get_name() == __name__]:
            logger.removeHandler(earlier)
        logger.addHandler(handler)
        logger.setLevel(config.level.upper())
    return handler


@contextmanager
def writing_events(config: LogsConfig, **always: str) -> Iterator[None]:
    """Write them until the context ends."""
    handler = write_events(config, **always)
    try:
        yield
    finally:
        for name in OURS:
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(logging.NOTSET)
        handler.close()


def _renderer(config: LogsConfig, coloured: bool) -> Processor:
    if config.format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(colors=coloured, exception_formatter=structlog.dev.plain_traceback)


def _name_the_span(_: object, __: str, event: EventDict) -> EventDict:
    """Where a trace is recorded, its ids, by which a reader comes from the line to the trace."""
    span = trace.get_current_span().get_span_context()
    if span.trace_flags.sampled:
        return {
            **event,
            "trace_id": trace.format_trace_id(span.trace_id),
            "span_id": trace.format_span_id(span.span_id),
        }
    return event


def _mask(_: object, __: str, event: EventDict) -> EventDict:
    """No secrets, and nothing that Ray puts on every record."""
    return {
        key: masked_text(value) if isinstance(value, str) else value
        for key, value in event.items()
        if not key.startswith("_ray_")
    }
