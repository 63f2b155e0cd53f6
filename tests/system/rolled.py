"""`python -m tests.system.rolled home=DIR …`: the service, deployed anew with the options of every line it is told."""

import os
import sys

from serve.__main__ import configured
from serve.local_ray import LocalRay
from serve.signals import StopRequest

ROLLED = "rolled"


def main() -> None:
    """Says the URL once it is ready, and ROLLED once the options of a line are in force."""
    config = configured(sys.argv[1:])
    with LocalRay(config) as local:
        local.start()
        from ray import serve

        from serve.app import NAME, application

        print(config.url, flush=True)
        for line in sys.stdin:
            serve.run(application(configured([*sys.argv[1:], *line.split()])), name=NAME)
            print(ROLLED, flush=True)


if __name__ == "__main__":
    try:
        main()
    except StopRequest:
        os._exit(143)
    os._exit(0)
