"""Two snapshots compared: values in, values out."""
