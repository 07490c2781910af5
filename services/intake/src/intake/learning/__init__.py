"""What is learned offline from files; only here are the libraries of the extra `learning` used."""
