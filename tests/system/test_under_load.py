"""What callers see while replicas and servers die and come back, generations change and the service is rolled.

`asking` holds what is true of all of it: never a wrong answer, and nothing but answers and promised refusals.
"""

from collections.abc import Iterator

import pytest

from scripts.load.material import Clip
from scripts.load.traffic import Reply
from tests.system.answering import Answering, answering, clips
from tests.system.steady import Steady, asking

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    with answering(tmp_path_factory.mktemp("load")) as service:
        for clip in clips():
            service.answered(clip)
        yield service


@pytest.fixture(scope="module")
def asked() -> list[Clip]:
    return clips()


def turned_away(steady: Steady) -> list[Reply]:
    return [reply for reply in steady.replies if not reply.accepted]


def test_a_switch_of_generations_is_not_noticed(service: Answering, asked: list[Clip]) -> None:
    """A promote and a rollback, and every request in between is answered."""
    first, second = service.generations
    with asking(service.url, asked) as steady:
        service.switch_to(second)
        service.switch_to(first)
    assert not turned_away(steady)


@pytest.mark.long
def test_a_rolled_service_is_not_noticed(service: Answering, asked: list[Clip]) -> None:
    """Every replica is replaced for a changed option, and every request in between is answered."""
    before = service.replicas("api") | service.replicas("encoder")
    with asking(service.url, asked) as steady:
        service.roll("bounds.concurrent=3", "resources.batch_wait_ms=3")
    assert not turned_away(steady)
    assert not before & (service.replicas("api") | service.replicas("encoder"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["api", "encoder"])
def test_a_replica_that_is_killed_is_replaced(name: str, service: Answering, asked: list[Clip]) -> None:
    """The only one of its kind: what it was at is turned away or waits for the next one."""
    before = service.replicas(name)
    with asking(service.url, asked):
        service.kill_replica(name)
        service.answered(asked[0])
    assert not before & service.replicas(name)


@pytest.mark.long
@pytest.mark.parametrize("server", ["milvus", "mysql"])
def test_a_server_that_comes_back_is_found_again(server: str, service: Answering, asked: list[Clip]) -> None:
    """Milvus is killed and started on what it holds, MariaDB is restarted; the service itself is not."""
    before = service.replicas("api")
    with asking(service.url, asked):
        (service.servers.kill if server == "milvus" else service.servers.stop)(server)
        service.servers.start(server)
        service.answered(asked[0])
    assert service.replicas("api") == before
