"""Work that outlives the request that brought it: stored before it is accepted, run under a lease, delivered."""
