"""Who a customer is, and when two of them are one person."""
