"""`python -m tests.service.redeployed home=DIR port=N …`: the service, deployed anew for every line of its input."""

import sys
from collections.abc import Sequence

from serve.__main__ import configured
from serve.local_ray import LocalRay

QUIET = {"log_level": "WARNING", "enable_access_log": False}


def main(arguments: Sequence[str]) -> None:
    config = configured(arguments)
    with LocalRay(config) as local:
        local.start()
        from ray import serve  # which reads the environment that was set just now

        from serve.app import NAME, application

        print("up", flush=True)
        for _ in sys.stdin:
            config.matching.hits += 1
            serve.run(application(config), name=NAME, logging_config=QUIET)
            print("deployed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
