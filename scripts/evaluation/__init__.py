"""How well the matcher, over vectors of the shipped encoder, knows music and knows what it does not know.

tracks     a collection of music, embedded once; two folds of its held-out sources
flat       an exact vector index in memory, in the place of Milvus' FLAT
questions  spoilt clips with their true place
truth      whether an answer is right
trial      every question put to both folds: once its track is in the catalogue, once it is not
tables     hit rates with their intervals
"""
