"""Ray's own schema of serveConfigV2, read strictly: Ray itself passes over keys that it does not know."""

import warnings
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel, PydanticDeprecatedSince20

with warnings.catch_warnings():
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)  # Ray's own models, at import
    from ray.serve.schema import ServeDeploySchema


def parse(text: str) -> ServeDeploySchema:
    """The configuration as Ray will read it; raises ValueError naming every key that no model knows."""
    raw = yaml.safe_load(text)
    unknown = list(_unknown_keys(raw, ServeDeploySchema, ""))
    if unknown:
        raise ValueError(f"unknown in serveConfigV2: {', '.join(unknown)}")
    return ServeDeploySchema.model_validate(raw)


def _unknown_keys(value: Any, annotation: Any, place: str) -> Iterator[str]:
    model = _model_in(annotation)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_keys(item, annotation, f"{place}[{index}]")
    elif isinstance(value, dict) and model is not None:
        for key, child in value.items():
            field = model.model_fields.get(key)
            if field is None:
                yield f"{place}.{key}".lstrip(".")
            else:
                yield from _unknown_keys(child, field.annotation, f"{place}.{key}")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first pydantic model inside an annotation such as `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
