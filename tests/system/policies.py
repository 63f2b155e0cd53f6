"""NetworkPolicies as the packet filter of one pod: nothing passes but what a policy names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.repository.kubernetes import Manifest

Labels = Mapping[str, str]
REFUSED = "refused"  # the counter of what was dropped on its way out
DIRECTIONS = {"Ingress": ("ingress", "from", "input", "saddr"), "Egress": ("egress", "to", "output", "daddr")}


def ruleset(labels: Labels, pods: Mapping[str, Labels], policies: Sequence[Manifest]) -> str:
    """Rules for nft, of a pod with these labels among `pods` (address → labels)."""
    chains = [
        f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; {side} lo accept; "
        f"ct state established,related accept; {' '.join(_accepted(direction, labels, pods, policies))} "
        f"{f'counter name {REFUSED} drop;' if hook == 'output' else ''} }}"
        for direction, hook, side in (("Ingress", "input", "iif"), ("Egress", "output", "oif"))
    ]
    return f"flush ruleset\ntable inet pod {{ counter {REFUSED} {{ }}\n" + "\n".join(chains) + "\n}\n"


def _accepted(
    direction: str, labels: Labels, pods: Mapping[str, Labels], policies: Sequence[Manifest]
) -> Iterator[str]:
    rules, peers, _, field = DIRECTIONS[direction]
    for spec in (policy["spec"] for policy in policies):
        if direction in spec["policyTypes"] and _selects(spec["podSelector"], labels):
            for rule in spec.get(rules, ()):
                yield from _rule(rule, rule.get(peers), field, pods)


def _rule(rule: Manifest, peers: list[Manifest] | None, field: str, pods: Mapping[str, Labels]) -> Iterator[str]:
    """Of peers and ports what is not said is any."""
    addresses = None if peers is None else [at for at, labels in pods.items() if any(_is(p, labels) for p in peers)]
    if addresses == []:
        return
    who = "" if addresses is None else f"ip {field} {{ {', '.join(addresses)} }} "
    ports = rule.get("ports")
    if ports is None:
        yield f"{who}accept;"
    for port in ports or ():
        yield f"{who}{port['protocol'].lower()} dport {port['port']} accept;"


def _is(peer: Manifest, labels: Labels) -> bool:
    """Whether a peer is a pod with these labels; those of named namespaces and foreign addresses are not here."""
    return "podSelector" in peer and not peer.get("namespaceSelector") and _selects(peer["podSelector"], labels)


def _selects(selector: Manifest, labels: Labels) -> bool:
    wanted: dict[str, Any] = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in among), among
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(one["key"]) in one["values"] for one in among
    )
