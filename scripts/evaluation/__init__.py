"""How well Refrain knows music, and what it does not know: what scripts.evaluate and scripts.calibrate are made of.

options       what they are told
session       music read, questions asked, answers kept
listing       which recordings there are, and which belong together
tracks        recordings decoded and embedded once
folds         each half of them is in the catalogue once and unknown once
heard         noise, speech and rooms, decoded once
conditions    what is done to a clip
questions     spoilt clips with their true place
mixes         long mixes whose content is known to the second
stores        where vectors are searched: in memory, or in a Milvus
flat          exact search in memory
asking        every question put to both folds, through what serves
truth         whether an answer is right
outcomes      what came of a question, and where it is kept
workers       the same work in several processes
sources       what results are kept under
judging       confidence and threshold, fitted on the other fold
statistics    shares, curves, reliability, distances
figures       everything that is shown
report        for people
plots         as pictures
distractors   vectors of tracks that do not exist
likeness      are they like real ones?
crowding      hit rates with millions of them
"""
