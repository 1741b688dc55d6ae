"""Statistics of results: frames in, frames out."""
