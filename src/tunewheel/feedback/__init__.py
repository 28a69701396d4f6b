"""What a service was asked and answered, what people said of it, and what follows for the next dataset."""
