"""`guerdon serve`: the rewards of a run file over HTTP, for whoever samples elsewhere."""
