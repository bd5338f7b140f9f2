"""The story that `throughgate demo` plays: synthetic people, simulated neighbours, real wires. It MUST NOT be used by the line."""
