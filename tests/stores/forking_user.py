"""A user of Milvus that starts processes as Ray starts its own, Python between fork and exec: says how they ended."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from ingest import ray_environment

if __name__ == "__main__":
    ray_environment.prepare()
    from ingest.stores import VectorsConfig, open_vectors  # gRPC reads the environment when it is imported

    with open_vectors(VectorsConfig(), Path(sys.argv[1])) as vectors:
        ended: Counter[int] = Counter()
        for _ in range(int(sys.argv[2])):
            vectors.exists("any")
            ended[subprocess.Popen(["true"], preexec_fn=lambda: None).wait(30)] += 1
    print(dict(ended))
