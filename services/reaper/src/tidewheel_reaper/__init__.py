"""Deletes final tasks whose removal delay has passed."""
