"""A user of a home's Milvus Lite server in a process of its own: says the address, then waits to be ended."""

import sys
from pathlib import Path

from ingest.stores.lite_server import LiteServer

if __name__ == "__main__":
    server = LiteServer(Path(sys.argv[1]))
    print(server.uri, flush=True)
    sys.stdin.read()
    server.close()
