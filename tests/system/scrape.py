"""What Prometheus would find: the metrics ports of Ray's nodes, asked again and again while something runs."""

import re
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from prometheus_client.parser import text_string_to_metric_families

from tests.system.catalogue import ROOT

LOOKED_AT = re.compile(r"ray_refrain_ingest_|ray_data_operator_queued_blocks")  # of the thousands that Ray exports
TOLD = re.compile(r"`(ray_(?:refrain_ingest|data)_\w+)")
EVERY_S = 1.0


class Figures:
    """Values by name and labels, in the order in which they were seen."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)

    @property
    def names(self) -> set[str]:
        return set(self._seen)

    def of(self, name: str, **labels: str) -> list[float]:
        """All values seen of what has these labels."""
        return [value for found, value in self._seen[name] if labels.items() <= found.items()]

    def take(self, port: int) -> None:
        """Ask one node; one that does not answer has nothing to say."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            lines = [line for line in page.read().decode().splitlines() if LOOKED_AT.search(line)]
            for family in text_string_to_metric_families("\n".join([*lines, ""])):
                for sample in family.samples:
                    self._seen[sample.name].append((sample.labels, sample.value))


@contextmanager
def scraping(ports: Callable[[], Iterable[int]]) -> Iterator[Figures]:
    """Ask the nodes as long as this is open, and once more at the end."""
    figures, ended = Figures(), threading.Event()

    def scrape() -> None:
        while not ended.wait(EVERY_S):
            for port in ports():
                figures.take(port)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        yield figures
    finally:
        ended.set()
        scraper.join()
        for port in ports():
            figures.take(port)


def metrics_ports(pid: int) -> Iterator[int]:
    """The metrics port of the Ray that a job started, as Ray wrote it down; none before and afterwards."""
    for file in Path(gettempdir()).glob(f"refrain-job-{pid}-*/session_latest/metrics_export_port_*"):
        with suppress(OSError, ValueError):
            yield int(file.read_text())


def documented() -> set[str]:
    """The names that docs/operations.md gives."""
    return set(TOLD.findall((ROOT / "docs" / "operations.md").read_text()))
