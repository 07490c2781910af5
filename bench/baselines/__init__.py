"""What Keyturn is measured against: honest implementations, the way a good engineer writes them."""
