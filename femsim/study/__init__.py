"""Studies: many runs from one file, on one machine or on a cluster, and what they say together."""
