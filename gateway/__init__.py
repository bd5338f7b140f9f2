"""The gateway remembers: store, bus, ledger, keys, people, journeys, HTTP. It decides neither meaning nor permission itself."""
