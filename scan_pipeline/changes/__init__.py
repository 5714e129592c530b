"""What changed since a session was last scanned, symbol by symbol, and what must therefore be scanned again."""
