"""The library of instances kept up to date: records, proofs and verification."""
