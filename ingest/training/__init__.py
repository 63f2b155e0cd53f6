"""How the encoder learns: music and noise → spoilt pairs → contrastive loss → weights.

    corpus     recordings, noises and room responses decoded once, kept as 16-bit samples
    augment    what happens between a loudspeaker and a microphone
    pairs      one training step: clean stretches of tracks beside spoilt clips of them
    loss       normalised-temperature cross entropy over the batch
    validate   recall of spoilt clips of held-out sources
    trainer    the loop: resumable, seeded step by step

Never imported by a job or the service.
"""
