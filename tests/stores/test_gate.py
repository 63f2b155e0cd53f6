"""Readers together, a writer alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

from ingest.stores.gate import READS, Gate

WAIT_S = 10.0
SOON_S = 0.05


def test_readers_overlap() -> None:
    """Two readers can be inside at once: each waits there for the other."""
    gate, meeting = Gate(), threading.Barrier(2, timeout=WAIT_S)

    def read() -> None:
        with gate.reading():
            meeting.wait()

    with ThreadPoolExecutor(2) as threads:
        for reader in [threads.submit(read) for _ in range(2)]:
            reader.result(WAIT_S)


def test_a_writer_is_alone() -> None:
    """Of many writers and readers none is ever inside beside a writer, and all get through."""
    gate, inside, most = Gate(), [], []

    def visit(writes: bool) -> None:
        with gate.writing() if writes else gate.reading():
            inside.append(writes)
            most.append((sum(inside), len(inside)))
            threading.Event().wait(0.001)
            inside.remove(writes)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(visit, [number % 3 == 0 for number in range(90)]))
    assert len(most) == 90
    assert all(count == 1 for writers, count in most if writers)


def test_a_waiting_writer_goes_before_new_readers() -> None:
    """A stream of readers cannot keep a writer out."""
    gate, order = Gate(), []
    began, finish = threading.Event(), threading.Event()

    def long_reader() -> None:
        with gate.reading():
            began.set()
            finish.wait(WAIT_S)

    def enter(name: str) -> None:
        with gate.writing() if name == "writer" else gate.reading():
            order.append(name)

    threads = [threading.Thread(target=long_reader)]
    threads[0].start()
    assert began.wait(WAIT_S)
    for name in ("writer", "reader"):
        threads.append(threading.Thread(target=enter, args=(name,)))
        threads[-1].start()
        threads[-1].join(SOON_S)
    finish.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert order == ["writer", "reader"]


def test_requests_that_only_read() -> None:
    """What changes a collection goes in alone; what looks at one does not."""
    assert not any(name.startswith(READS) for name in ("Insert", "Upsert", "Delete", "Flush", "CreateIndex"))
    assert all(name.startswith(READS) for name in ("Search", "Query", "DescribeCollection", "GetVersion"))
