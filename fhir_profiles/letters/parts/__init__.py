"""What letters are made with: their shape, the picture of a person's file, headings, the closing of references. No letter is in here."""
