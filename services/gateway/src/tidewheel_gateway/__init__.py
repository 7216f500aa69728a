"""Accepts tasks over HTTP and answers questions about them."""
