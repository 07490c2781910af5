"""What a customer allows, by whose word, and until when."""
