"""What an event means for a person's journey: which file it joins, which letters it asks for, who gets them, what work it makes."""
