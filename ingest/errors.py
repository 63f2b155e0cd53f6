"""The one exception tree.

RefrainError
├── BadInput                    the caller's data: rejected, counted, answered with 4xx; loses nothing else
│   ├── UnreadableAudio         unreadable        no decoder makes sense of the bytes
│   ├── NoAudioStream           no_audio_stream   a container without audio
│   ├── TooShort                too_short         less audio than one clip
│   ├── SilentAudio             silent            nothing above the silence threshold
│   ├── TooLong                 too_long          more audio than the limit
│   ├── TimedOut                timeout           not decoded within the time a file is given
│   ├── MissingFile             missing           gone, or not readable, since it was listed
│   └── UnusableName            unusable_name     a name that is not valid Unicode
├── ConfigurationError          one readable line, exit 2
├── PreflightError              exit 3: the job cannot start (services, schema, model)
│   └── CatalogLocked           exit 3, HTTP 409 `busy`: another writer holds the catalogue
├── ErrorBudgetSpent            exit 4
└── InfrastructureError         exit 1, resumable: a store or the lake failed
    ├── VectorStoreError
    │   └── NotLoaded           a collection that Milvus has on its disk alone
    ├── MetadataError
    ├── LakeError
    └── VerificationError       what is stored does not add up
"""


class RefrainError(Exception):
    """Base of every error raised on purpose; `code` is stable and part of the contract."""

    code = "internal"


class BadInput(RefrainError):
    code = "bad_input"


class UnreadableAudio(BadInput):
    code = "unreadable"


class NoAudioStream(BadInput):
    code = "no_audio_stream"


class TooShort(BadInput):
    code = "too_short"


class SilentAudio(BadInput):
    code = "silent"


class TooLong(BadInput):
    code = "too_long"


class TimedOut(BadInput):
    code = "timeout"


class MissingFile(BadInput):
    code = "missing"


class UnusableName(BadInput):
    code = "unusable_name"


class ConfigurationError(RefrainError):
    code = "configuration"


class PreflightError(RefrainError):
    code = "preflight"


class CatalogLocked(PreflightError):
    code = "busy"


class ErrorBudgetSpent(RefrainError):
    code = "error_budget_spent"


class InfrastructureError(RefrainError):
    code = "infrastructure"


class VectorStoreError(InfrastructureError):
    code = "vector_store"


class NotLoaded(VectorStoreError):
    """Somebody released the collection, or Milvus came back without it: it must be loaded before it is searched."""


class MetadataError(InfrastructureError):
    code = "metadata_store"


class LakeError(InfrastructureError):
    code = "lake"


class VerificationError(InfrastructureError):
    code = "verification"
