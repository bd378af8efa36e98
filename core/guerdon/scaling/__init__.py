"""Scoring on the nodes of a Ray cluster: the same rows as on one machine, and a dead worker or node loses nothing."""
