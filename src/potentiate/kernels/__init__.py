"""Arrays in, arrays out: compiled loops, each beside the plain code that defines it."""
