"""One module a command. A command words what the gateway found; it MUST NOT decide or reach into a table."""
