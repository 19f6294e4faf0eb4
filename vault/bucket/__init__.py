"""Buckets of S3, Google Cloud Storage and Azure: what they are called, who may use them, what their errors mean, one client."""
