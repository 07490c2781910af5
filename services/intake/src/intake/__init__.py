"""intake: everyone who comes through the door, from the first touch to the signed contract."""
