"""What callers see while replicas and servers die and come back, generations change and the service is rolled.

`asking` holds what is true of all of it: never a wrong answer, and nothing but answers and promised refusals.
"""

from collections.abc import Iterator

import httpx
import pytest

from scripts.load.material import Clip
from scripts.load.traffic import Reply
from tests.system.answering import READY_WITHIN_S, Answering, answering, clips
from tests.system.steady import Steady, asking
from tests.waiting import wait_for

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
    before = service.replicas("api")
    with asking(service.url, asked) as steady:
        service.roll("bounds.concurrent=3")
    assert not turned_away(steady)
    assert not before & service.replicas("api")


@pytest.mark.long
def test_a_replica_that_is_killed_is_replaced(service: Answering, asked: list[Clip]) -> None:
    """The API's only one: what it was at is turned away or waits for the next one."""
    replaced(service, "api", asked)


@pytest.mark.long
def test_an_encoder_of_its_own(service: Answering, asked: list[Clip]) -> None:
    """Deployed beside the API while that answers, and rolled: nobody notices. Killed it is replaced, and so is the API;
    given up in place it is missed by the API's replicas that end, which turn away what they cannot embed."""
    assert not service.replicas("encoder")
    with asking(service.url, asked) as steady:
        service.roll("resources.embed_replicas=1")
        before = service.replicas("api") | service.replicas("encoder")
        service.roll("resources.embed_replicas=1", "bounds.concurrent=3", "resources.batch_wait_ms=3")
    assert not turned_away(steady)
    assert service.replicas("encoder") and not before & (service.replicas("api") | service.replicas("encoder"))
    replaced(service, "encoder", asked)
    replaced(service, "api", asked)
    with asking(service.url, asked):
        service.roll()
        service.answered(asked[0])
    assert not service.replicas("encoder")


def replaced(service: Answering, name: str, asked: list[Clip]) -> None:
    """The only replica of its kind is killed, and another one answers."""
    before = service.replicas(name)
    assert before
    with asking(service.url, asked):
        service.kill_replica(name)
        service.answered(asked[0])
    assert service.replicas(name) and not before & service.replicas(name)


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


@pytest.mark.long
@pytest.mark.parametrize(("server", "code"), [("milvus", "vector_store"), ("mysql", "metadata_store")])
def test_a_replica_starts_while_a_server_is_away(server: str, code: str, service: Answering, asked: list[Clip]) -> None:
    """The API's only replica is lost during an outage: the next one comes up, says what is missing, and answers with
    names once that is back."""
    before = service.replicas("api")
    with asking(service.url, asked):
        service.servers.stop(server)
        service.kill_replica("api")
        wait_for(lambda: missing(service) == code, READY_WITHIN_S)
        assert httpx.get(f"{service.url}/healthz").status_code == 200
        assert not before & service.replicas("api")
        service.servers.start(server)
        service.answered(asked[0])


def missing(service: Answering) -> str | None:
    """What a replica that is there lacks."""
    ready = httpx.get(f"{service.url}/readyz", timeout=60.0).json()
    return ready["code"] if "checks" in ready and ready["status"] != "degraded" else None
