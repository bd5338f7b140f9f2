"""`throughgate bench`: how fast the line is beside its floors and a peer. The gateway that serves MUST NOT import this folder."""
