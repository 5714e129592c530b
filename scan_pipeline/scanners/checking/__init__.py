"""Whether a scanner looks ahead, or further back than it says: comparing what it gave on different data."""
