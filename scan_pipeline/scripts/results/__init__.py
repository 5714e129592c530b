"""What a script left behind: finding tables of hits in it, choosing one for all shards, and putting shards together."""
