"""People are found by keyed indexes of their identifiers. No identifier is kept in clear, and nothing here guesses."""
