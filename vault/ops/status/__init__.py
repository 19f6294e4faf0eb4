"""The state of the world on one screen: is everybody's project safe, and if not, why."""
