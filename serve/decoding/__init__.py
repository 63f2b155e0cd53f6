"""Bytes of strangers are parsed in processes of their own: bounded, killable, and with nothing at hand to steal.

    decoders     what the service asks: a clip of these bytes, the windows of this file
    process      one such process as its owner sees it: started, asked, killed
    frames       what the two say to each other
    confinement  what a process denies itself before it looks at the first byte
    clip_worker, recording_worker    what runs inside
    hostile      a stand-in for a decoder that something hostile has got hold of

Only numbers, samples and short texts come back, never objects: what has taken a worker over cannot go further.
"""
