"""The query service: clip in, answer out."""
