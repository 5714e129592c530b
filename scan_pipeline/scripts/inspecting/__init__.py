"""What a script is, by parsing it only: nothing of it is run or imported."""
