"""Composition: which deployment runs where, with how much, and what it is made of."""

from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import BackpressureConfig
from ray.serve.handle import DeploymentHandle

from conf.events import write_events
from ingest.stores import open_catalog, open_vectors
from serve.access import open_ring
from serve.api import build_api
from serve.config import ServeConfig, check
from serve.edge import Edge
from serve.embedder import ENCODER, RemoteEncoder
from serve.encoders import EncoderSet, LocalEncoder
from serve.generation import Generations
from serve.keys import check_access
from serve.proxy_edge import RETRY_AFTER_S
from serve.ray_draining import ending
from serve.ray_meter import RayMeter
from serve.scaling import scaled
from serve.service import QueryService
from serve.traces import SERVICE

NAME = "refrain"
SIDE_REQUESTS = 32  # health, metrics, pages and bodies still arriving, beside the queries
SURGE_PERCENT = 50  # a rolled replica ends when the one in its place is ready: at least one more, at most half more
WAIT_LOOP_S = 0.5
BACKPRESSURE = BackpressureConfig(status_code=503, retry_after_s=RETRY_AFTER_S)


class ApiReplica:
    """A shell around the QueryService; its threads decode, search and match, and embed where no encoder is deployed."""

    def __init__(self, config: ServeConfig, encoder: DeploymentHandle[Any] | None) -> None:
        self._config = config
        self._encoder = RemoteEncoder(encoder) if encoder else local_encoder(config)

    def __serve_build_asgi_app__(self) -> Edge:
        config = self._config
        replica = serve.get_replica_context().replica_id.unique_id
        write_events(config.logs, service=SERVICE, catalog=config.catalog.name, replica=replica)
        catalog = open_catalog(config.metadata, config.home_path, config.catalog.name)
        generations = Generations(
            catalog,
            lambda: open_vectors(config.vectors, config.home_path),
            self._encoder,
            config.matching.settings(),
            config.lookups,
            config.health,
        )
        meter = RayMeter()
        service = QueryService(config, catalog, self._encoder, generations, ending=ending, meter=meter)
        service.decoders.warm()
        return build_api(service, meter, echo_request_id=False, ring=open_ring(config), origins=config.cors_origins)


API = serve.deployment(name="api")(serve.ingress()(ApiReplica))


def build(arguments: dict[str, Any]) -> Application:
    """The application from `key=value` options, as a cluster's serve configuration names it: `serve.app:build`."""
    from conf import compose

    config = compose("serve", [f"{key}={value}" for key, value in arguments.items()], ServeConfig)
    check(config)
    check_access(config, exposed=True)  # a cluster's proxies listen where its own configuration says
    return application(config)


def application(config: ServeConfig) -> Application:
    """The application to hand to `serve.run`."""
    bounds, resources = config.bounds, config.resources
    room = bounds.concurrent + bounds.waiting + SIDE_REQUESTS
    common: dict[str, Any] = {
        "max_queued_requests": room,  # Serve counts even what is only on its way to a replica, whose gate says 429
        "backpressure_config": BACKPRESSURE,
        "graceful_shutdown_timeout_s": bounds.drain_s,
        "graceful_shutdown_wait_loop_s": WAIT_LOOP_S,
        "max_constructor_retry_count": 3,
        "max_surge_percent": SURGE_PERCENT,
    }
    app: Application = API.options(
        **scaled(resources.api_replicas, resources.api_max_replicas, resources.api_target, resources),
        ray_actor_options={"num_cpus": resources.api_cpus},
        max_ongoing_requests=room,
        **common,
    ).bind(config, encoder_of(config, room, common) if resources.embed_replicas else None)
    return app


def encoder_of(config: ServeConfig, room: int, common: dict[str, Any]) -> Application:
    """The encoder's deployment; `common` are options of both."""
    resources = config.resources
    encoder: Application = ENCODER.options(
        **scaled(resources.embed_replicas, resources.embed_max_replicas, resources.embed_target, resources),
        ray_actor_options={"num_cpus": resources.embed_cpus, "num_gpus": resources.embed_gpus},
        # The API's gates bound what arrives; Serve wants no less here than the size of a batch.
        max_ongoing_requests=max(room, resources.batch_embeddings),
        **common,
    ).bind([config.encoder.weights], resources)
    return encoder


def local_encoder(config: ServeConfig) -> LocalEncoder:
    """The network in a replica of the API: no hop between processes, and nobody to be batched with."""
    weights, threads = [config.encoder.weights], config.resources.embed_threads
    return LocalEncoder(EncoderSet.load(weights, device="cpu", threads=threads))
