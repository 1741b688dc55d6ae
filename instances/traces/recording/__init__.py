"""Recording what the routers of a Hugging Face model choose; needs the extra ``record`` (docs/ROUTERS.md)."""
