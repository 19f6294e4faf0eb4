"""Journeys without a terminal: what every front end calls."""
