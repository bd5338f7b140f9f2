"""How a letter is written for a wire. One file a wire; what is left of a letter after minimisation is all that they see.

They must never be called but by `render`, and never add anything clinical: the envelope, the fullUrls and the narrative are theirs.
"""
