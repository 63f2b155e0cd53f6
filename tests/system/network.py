"""A network of pods on this machine: a namespace for each, wired to a bridge that lies in a namespace as well.

Nothing of it touches the machine's own network; sockets that a relay holds are the only way in and out.
"""

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.services import find_ip, find_nft
from tests.repository.kubernetes import Manifest
from tests.system.policies import REFUSED, Labels, ruleset
from tests.system.relay import Address, listening, relaying

SUBNET = "10.77.0"
HUB = f"{SUBNET}.1"  # where the stores answer, and from where operator and callers ask
HUB_MAC = "02:00:00:00:00:01"
OUTSIDE = {"app.kubernetes.io/name": "kuberay-operator", "refrain-client": "true"}


class Network:
    """The namespaces' names are this run's alone."""

    def __init__(self, policies: Sequence[Manifest]) -> None:
        self._ip, self._nft, self._policies = find_ip(), find_nft(), policies
        self._name = f"rf-{secrets.token_hex(3)}"
        self._labels: dict[str, Labels] = {HUB: OUTSIDE}
        self._namespaces: dict[str, str] = {}  # by address
        self._made = 1

    def open(self) -> None:
        """Lay the bridge."""
        self._namespace(HUB)
        # Of itself a bridge takes the least address of its wires, and a pod finds a changed one only after a while.
        self._in(HUB, "link", "add", "wire", "address", HUB_MAC, "type", "bridge")
        self._in(HUB, "addr", "add", f"{HUB}/24", "dev", "wire")
        self._in(HUB, "link", "set", "wire", "up")

    def add(self, labels: Labels) -> str:
        """A namespace with a wire to the bridge, and filters as the policies say; comes back with its address."""
        self._made += 1
        address = f"{SUBNET}.{self._made}"
        self._namespace(address)
        wire = ("link", "add", _wire(address), "type", "veth", "peer", "name", "eth0", "netns")
        self._in(HUB, *wire, self._namespaces[address])
        self._in(HUB, "link", "set", _wire(address), "master", "wire", "up")
        self._in(address, "addr", "add", f"{address}/24", "dev", "eth0")
        self._in(address, "link", "set", "eth0", "up")
        self._in(address, "route", "add", "default", "via", HUB)  # by it Ray knows its own address
        self._labels[address] = labels
        self._filter()
        return address

    def remove(self, address: str) -> None:
        self._run("netns", "delete", self._namespaces.pop(address))
        self._labels.pop(address)

    def unplug(self, address: str) -> None:
        """Nothing comes or goes any more, and nobody is told."""
        self._in(HUB, "link", "set", _wire(address), "down")

    def command(self, address: str, *command: str) -> list[str]:
        """What runs a command there."""
        return [self._ip, "netns", "exec", self._namespaces[address], *command]

    def refused(self, address: str) -> int:
        """How many packets the filter there has kept from leaving."""
        listed = self.command(address, self._nft, "list", "counter", "inet", "pod", REFUSED)
        told = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
        return int(told.split("packets")[1].split()[0])

    @contextmanager
    def offered(self, port: int, target: Address, wait_s: float = 0.0) -> Iterator[None]:
        """What listens on this machine, for the pods at a port of the hub; what they send waits so long."""
        with relaying(listening((HUB, port), self._place(HUB)), target, wait_s=wait_s):
            yield

    @contextmanager
    def reached(self, address: str, port: int) -> Iterator[Address]:
        """A port of a pod, for callers on this machine, who are labelled as OUTSIDE."""
        listener = socket.create_server(("127.0.0.1", 0))
        at: Address = listener.getsockname()
        with relaying(listener, (address, port), self._place(HUB)):
            yield at

    def close(self) -> None:
        for address in reversed(list(self._namespaces)):
            with suppress(subprocess.CalledProcessError):
                self._run("netns", "delete", self._namespaces.pop(address))

    def _place(self, address: str) -> Path:
        return Path("/run/netns") / self._namespaces[address]

    def _namespace(self, address: str) -> None:
        name = f"{self._name}-{address.rpartition('.')[2]}"
        self._run("netns", "add", name)
        self._namespaces[address] = name
        self._in(address, "link", "set", "lo", "up")
        off = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"
        subprocess.run(self.command(address, "sh", "-c", off), check=False, capture_output=True)

    def _filter(self) -> None:
        """Anew for every pod: the others have to know the newest."""
        for address, labels in self._labels.items():
            if address != HUB:
                rules = ruleset(labels, self._labels, self._policies)
                subprocess.run(self.command(address, self._nft, "-f", "-"), input=rules, text=True, check=True)

    def _in(self, address: str, *what: str) -> None:
        self._run("-netns", self._namespaces[address], *what)

    def _run(self, *what: str) -> None:
        subprocess.run([self._ip, *what], check=True, capture_output=True, text=True)


@contextmanager
def network(policies: Sequence[Manifest]) -> Iterator[Network]:
    """Nothing of it is left afterwards."""
    assert os.geteuid() == 0, "network namespaces want root"
    laid = Network(policies)
    try:
        laid.open()
        yield laid
    finally:
        laid.close()


def _wire(address: str) -> str:
    """What the hub calls its end of a pod's wire."""
    return f"pod{address.rpartition('.')[2]}"
