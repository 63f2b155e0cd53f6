"""Placeholder: the dataflow in one docstring."""
