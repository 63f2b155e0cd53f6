"""What the query service bears: `python -m scripts.load catalog.path=FOLDER|CSV home=DIR`.

    options      what the command is told
    material     the music, the simulated tracks, and spoilt clips of both known and unknown recordings
    filling      a Milvus server and a MariaDB filled with them as a job does, and kept
    stack        those servers and the service as they run
    traffic      callers: arrivals at random that wait for nobody, or one request after the other
    roles        which process is what, and what it uses
    trials       some seconds of traffic with what the processes used meanwhile
    parts        highest rate, half of it, overload, soak
    figures      numbers out of replies
    report       … for people

Traffic comes from asyncio and httpx. Locust is a closed loop, which stops asking when the service is slow; k6 and
vegeta keep a rate, but are no Python packages; and none of them can tell whether an answer is right.
"""
