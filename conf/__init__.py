"""The configuration: one YAML file an entry point, one group a replaceable part, and the loader.

    conf/<name>.yaml             ingest, serve, train: the defaults list names a choice for every group
    conf/<group>/<choice>.yaml   catalog/{folder,manifest,s3}, vectors/{milvus_lite,milvus}, …

hydra chooses and merges the files. The values of the command line never meet its grammar: they are taken
literally and turned into what the dataclass field wants (`conf.typed`). REFRAIN_CONF names another folder with
these files: a mounted ConfigMap, say.
"""

from conf.loader import compose, describe
from conf.masking import masked, masked_text
from conf.showing import as_yaml, asked_to_show

__all__ = ["as_yaml", "asked_to_show", "compose", "describe", "masked", "masked_text"]
