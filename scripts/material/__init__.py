"""Audio to train the encoder with, beside the corpus: gathered from Debian, rendered from scores, spoken by espeak-ng.

tools    programs of the system, and which package brings them
shelf    the folder that is filled: files, where each came from, what is done already
wave     waveforms: silence, level, fades, concatenation
debian   game-data packages: downloaded, unpacked, decoded
archives audio inside the files of a package
sorting  which file of a package is music, a sound, an ambience or speech
scores   MIDI files, changed at random, played with soundfonts
voices   invented words in many voices
"""
