"""The demonstration: music is composed, ingested, served, spoilt and recognised, all on this machine.

trials      what is asked, and whether an answer is right      (pure)
processes   the two commands that it shows, as subprocesses
__main__    the story, told on the terminal
"""
