"""Readers: each turns the body of a request into events, or says which field is wrong and why."""
