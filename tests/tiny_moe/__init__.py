"""How the shipped routing traces were made: tiny Mixture-of-Experts models, trained and recorded here."""
