"""The query service: a clip in, an answer out.

    __main__     the process: configuration, a local Ray, signals
    app          composition: which deployment runs where, with how much
    api          HTTP: routes, bounds, answers            uploads    the request body, bounded
    service      one request: decode → embed → recognise  turns      how many at once, and until when  (gate)
    decoding     the processes in which the bytes of callers are parsed
    timeline_route, timelines, recording: the same for hours of sound, window by window
    listen_route, listening: the same for sound that is still coming
    embedder     the batched encoder                      generation what the catalogue serves now
    recogniser   embeddings → answer, without Ray         matcher    embeddings → recording, offset, speed
    directory    which tracks are published, their names  published  their ids, in memory
    standing     whether a store is there                 guarded    one that is away is not waited for
    local_ray    the Ray that all of it runs on, process_tree and signals: how that ends
    schema       what goes over the wire                  problems   errors over the wire
    proxy_edge   the same for what Ray's proxy says by itself           heads      request lines and headers, bounded
    client       the caller's side                        web/       the page at /

Nothing but app, embedder, local_ray, noop, __main__ and what is called ray_… knows that Ray is there.
"""
