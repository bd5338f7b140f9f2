"""How a profile is checked: its StructureDefinition is read and obeyed, and what a differential cannot say is said by rules."""
