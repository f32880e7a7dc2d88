"""What we believe about leads: pure functions and values, without I/O and without a clock."""
