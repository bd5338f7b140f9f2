"""What a person may ask of this installation: what it did with their data, a copy of it, and that it be erased. Two people do each.

Nothing here MUST ever find anybody by a name or a number: a person is the id of a person or of a message.
"""
