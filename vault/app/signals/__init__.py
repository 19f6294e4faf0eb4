"""What others hear of a backup: a ping, a webhook, a text file of metrics, the service manager. Nobody is told who is not configured."""
