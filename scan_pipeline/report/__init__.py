"""What a person reads: tables for the terminal, and hits in the formats of other programs."""
