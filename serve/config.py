"""The configuration of the service as plain dataclasses; every default lives in `conf/serve.yaml`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from conf.events import LogsConfig
from ingest.fingerprint import EMBEDDING_HOP_S
from ingest.stores import ConfigurationError, MetadataConfig, VectorsConfig
from serve.matching import MatcherSettings
from serve.recording import cells_of

MIB = 1 << 20
Permission = Literal["read", "write", "admin"]  # ask · delete · see figures


@dataclass
class ServedCatalog:
    """Which catalogue answers."""

    name: str


@dataclass
class ServedEncoder:
    """Which network embeds the queries; a generation made by another one cannot be served."""

    weights: str | None  # a safetensors file; None: the weights that come with the package


@dataclass
class MatchingConfig:
    """How hard the service tries."""

    hits: int  # asked for each query embedding
    max_searched: int  # query embeddings searched of one clip
    denoise: bool  # gate steady noise before a clip is embedded; docs/benchmarks.md shows what that does
    retunings_semitones: list[float]  # second readings of a clip that nothing matches well; each costs an embedding

    def settings(self) -> MatcherSettings:
        return MatcherSettings(hits=self.hits, max_searched=self.max_searched)


@dataclass
class LookupConfig:
    """How tracks are looked up."""

    published_tracks: int  # of a catalogue whose ids are kept in memory
    degraded_s: float  # that queries are answered without names while the metadata store is away
    cached_tracks: int  # whose names are kept
    cache_s: float


@dataclass
class HealthConfig:
    """When something counts as away, or as lost."""

    failures: int  # in a row
    timeout_s: float  # of a look
    count_every_s: float  # that vectors are counted against the ledger; 0: never


@dataclass
class BoundsConfig:
    """What one caller, and all callers together, may ask of the service."""

    body_mib: int  # of one request
    body_timeout_s: float  # until the whole body has arrived
    upload_s: float  # audio of one upload; longer ones are refused
    clip_s: float  # audio that is matched: of a longer upload, its loudest stretch
    decoders: int  # processes that decode clips, per replica of the API; each long recording has one more
    decode_s: float  # that an upload, or a window of a long recording, may take to decode
    decode_memory_mib: int  # that a decode process may take beyond what it starts with
    concurrent: int  # queries worked on at once, per replica of the API
    waiting: int  # queries that may wait for their turn; more are answered 429
    wait_s: float  # that a query may wait; after that it is answered 429
    deadline_s: float  # for one query, waiting included
    timelines: int  # long recordings followed at once, per replica of the API; more are answered 429
    timeline_body_mib: int  # of one long recording; held in a temporary file
    timeline_body_timeout_s: float
    timeline_s: float  # audio of one; longer ones are refused
    timeline_window_s: float  # audio of one that is decoded, embedded and matched at a time
    timeline_deadline_s: float  # for one, from its last byte on

    listeners: int  # callers heard live at once, per replica of the API
    listen_s: float  # sound of one of them
    listen_look_s: float  # of new sound from one answer to the next
    listen_idle_s: float  # without a message, after which a caller is taken to have gone
    listen_message_kib: int
    drain_s: float  # for the requests under way when a replica ends

    @property
    def body_bytes(self) -> int:
        return self.body_mib * MIB

    @property
    def timeline_body_bytes(self) -> int:
        return self.timeline_body_mib * MIB


@dataclass
class ResourcesConfig:
    """How much of the machine the service takes. CPUs of all replicas stay below one, so that a job can run beside."""

    object_store_mib: int
    api_replicas: int  # at least
    api_max_replicas: int | None  # None: no more than that
    api_target: float  # requests under way in one of them, from which more are started
    api_cpus: float  # of each
    embed_replicas: int  # of encoders beside the API, at least; 0: none, the API's replicas embed
    embed_max_replicas: int | None
    embed_target: float
    embed_cpus: float  # of each
    embed_gpus: float
    embed_threads: int  # of torch, in each
    batch_embeddings: int  # embeddings in one call of the encoder
    batch_wait_ms: float  # how long the first of a batch waits for company
    upscale_delay_s: float
    downscale_delay_s: float


@dataclass
class KeyConfig:
    """A key that opens the service, as `python -m serve.keys` prints it; the token itself is nowhere."""

    name: str
    hash: str  # sha256:<64 hexadecimal digits>, of the token
    scopes: list[Permission] = field(default_factory=lambda: ["read"])
    per_minute: float | None = None  # requests; None: any number
    burst: int | None = None  # of them at once; None: those of a minute


@dataclass
class ServeConfig:
    """`python -m serve`."""

    home: str
    host: str
    port: int
    poll_s: float  # between two looks at the active generation
    keys: list[KeyConfig]  # who may ask; with none, whoever reaches the port
    keys_file: str | None  # YAML with more of them, read again when it changes
    open: bool  # no key is needed although others reach the port: something in front of it sees to that
    cors_origins: list[str]  # pages of these origins may ask from a browser; "*" is all
    catalog: ServedCatalog
    encoder: ServedEncoder
    vectors: VectorsConfig
    metadata: MetadataConfig
    lookups: LookupConfig
    health: HealthConfig
    matching: MatchingConfig
    bounds: BoundsConfig
    resources: ResourcesConfig
    logs: LogsConfig

    @property
    def home_path(self) -> Path:
        return Path(self.home).absolute()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def check(config: ServeConfig) -> None:
    """Raises ConfigurationError for values that cannot work."""
    if not 0 < config.port < 65536:
        raise ConfigurationError(f"port={config.port} must lie between 1 and 65535")
    if not config.host:
        raise ConfigurationError("host= must not be empty")
    for section, names in (
        (config.bounds, ("body_mib", "body_timeout_s", "upload_s", "clip_s", "concurrent", "wait_s", "deadline_s")),
        (config.bounds, ("decoders", "decode_s", "decode_memory_mib")),
        (config.bounds, ("timelines", "timeline_body_mib", "timeline_body_timeout_s", "timeline_s")),
        (config.bounds, ("timeline_window_s", "timeline_deadline_s")),
        (config.bounds, ("listeners", "listen_s", "listen_look_s", "listen_idle_s", "listen_message_kib", "drain_s")),
        (config.resources, ("api_target", "embed_target", "upscale_delay_s", "downscale_delay_s")),
        (config.resources, ("object_store_mib", "api_replicas", "api_cpus", "embed_cpus")),
        (config.matching, ("hits", "max_searched")),
        (config.lookups, ("cached_tracks", "cache_s")),
        (config.health, ("failures", "timeout_s")),
        (config, ("poll_s",)),
    ):
        for name in names:
            if getattr(section, name) <= 0:
                raise ConfigurationError(f"{name}={getattr(section, name)} must be positive")
    for section, names in (
        (config.bounds, ("waiting",)),
        (config.lookups, ("published_tracks", "degraded_s")),
        (config.health, ("count_every_s",)),
        (config.resources, ("embed_replicas",)),
    ):
        for name in names:
            if getattr(section, name) < 0:
                raise ConfigurationError(f"{name}={getattr(section, name)} must not be negative")
    _check_replicas(config.resources)
    _check_batch(config)


def _check_replicas(resources: ResourcesConfig) -> None:
    if not resources.embed_replicas and (resources.embed_max_replicas or resources.embed_gpus):
        raise ConfigurationError(
            "resources.embed_replicas=0: the API's replicas embed, without GPUs; "
            "embed_max_replicas and embed_gpus want embed_replicas=1 or more"
        )
    for least, most in (("api_replicas", "api_max_replicas"), ("embed_replicas", "embed_max_replicas")):
        fewest, limit = getattr(resources, least), getattr(resources, most)
        if limit is not None and limit < fewest:
            raise ConfigurationError(f"resources.{most}={limit} must not lie below resources.{least}={fewest}")


def _check_batch(config: ServeConfig) -> None:
    """A clip must fit a batch, and so must a window of a long recording: Serve refuses an item that alone is larger."""
    bounds = config.bounds
    for name, seconds, needed in (
        ("clip_s", bounds.clip_s, int(bounds.clip_s / EMBEDDING_HOP_S) + 1),
        ("timeline_window_s", bounds.timeline_window_s, cells_of(bounds.timeline_window_s)),
        ("listen_s", bounds.listen_s, int(bounds.listen_s / EMBEDDING_HOP_S) + 1),
    ):
        if config.resources.batch_embeddings < needed:
            raise ConfigurationError(
                f"resources.batch_embeddings={config.resources.batch_embeddings} must hold "
                f"bounds.{name}={seconds:g} s: {needed} embeddings"
            )
