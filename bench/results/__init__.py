"""What runs show: results, references, ratios, comparison, merging and export."""
