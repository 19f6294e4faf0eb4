"""Whole journeys on real PostgreSQL servers and real repositories."""
