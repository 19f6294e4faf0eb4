"""The `schema/` folder of a snapshot's tree: one file for each object of the database."""
