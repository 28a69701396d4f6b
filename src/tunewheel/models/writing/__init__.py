"""Language models that write: how they are asked, how they answer, and how they learn to."""
