"""How many replicas of a deployment there are, as Ray Serve wants to be told."""

from typing import Any

from serve.config import ResourcesConfig


def scaled(least: int, most: int | None, target: float, resources: ResourcesConfig) -> dict[str, Any]:
    """The number of replicas, or from how many to how many, and by what."""
    if most is None or most == least:
        return {"num_replicas": least}
    limits = {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": target}
    delays = {"upscale_delay_s": resources.upscale_delay_s, "downscale_delay_s": resources.downscale_delay_s}
    return {"autoscaling_config": limits | delays}
