"""What a restore would do, decided from values alone; pure."""
